//! How a download looks while it runs: a bar on a terminal, a line every tenth otherwise.

use std::io::{IsTerminal, Write};

use super::radarr::Row;

/// Cells of the bar.
const WIDTH: u64 = 30;
/// qBittorrent's word for "no estimate".
const NO_ETA: u64 = 8_640_000;

/// Prints progress to standard output.
pub struct Progress {
    is_terminal: bool,
    last_tenth: Option<u64>,
}

impl Progress {
    /// Looks at what standard output is.
    pub fn new() -> Progress {
        Progress {
            is_terminal: std::io::stdout().is_terminal(),
            last_tenth: None,
        }
    }

    /// Shows one poll.
    pub fn show(&mut self, row: &Row) {
        if self.is_terminal {
            print!("\r{}\x1b[K", bar(row));
            // A terminal that does not take the bar is no reason to stop.
            let _ = std::io::stdout().flush();
            return;
        }
        let tenth = percent(row) / 10;
        if self.last_tenth != Some(tenth) {
            self.last_tenth = Some(tenth);
            println!("progress: {}", plain(row));
        }
    }

    /// Ends the bar's line.
    pub fn finish(&self) {
        if self.is_terminal {
            println!();
        }
    }
}

fn percent(row: &Row) -> u64 {
    match row.size {
        0 => 0,
        size => (u128::from(row.completed.min(size)) * 100 / u128::from(size)) as u64,
    }
}

fn bar(row: &Row) -> String {
    let full = percent(row) * WIDTH / 100;
    let cells: String = (0..WIDTH)
        .map(|cell| if cell < full { '#' } else { '.' })
        .collect();
    format!("[{cells}] {}", plain(row))
}

fn plain(row: &Row) -> String {
    let eta = match u64::try_from(row.eta) {
        Ok(seconds) if seconds < NO_ETA => {
            format!("{}:{:02} left", seconds / 60, seconds % 60)
        }
        _ => row.state.clone(),
    };
    format!(
        "{:3} %  {} of {}  {}/s  {eta}",
        percent(row),
        bytes(row.completed),
        bytes(row.size),
        bytes(row.dlspeed),
    )
}

/// A size for people, in binary units.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(completed: u64, size: u64, eta: i64) -> Row {
        Row {
            hash: String::new(),
            state: "downloading".into(),
            size,
            completed,
            dlspeed: 2 << 20,
            eta,
            save_path: String::new(),
            content_path: String::new(),
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (count, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (256 << 20, "256.0 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn a_line_has_share_speed_and_eta() {
        for (row, expected) in [
            (
                row(1 << 20, 4 << 20, 62),
                " 25 %  1.0 MiB of 4.0 MiB  2.0 MiB/s  1:02 left",
            ),
            (
                row(0, 4 << 20, 8_640_000),
                "  0 %  0 B of 4.0 MiB  2.0 MiB/s  downloading",
            ),
            (row(5, 0, -1), "  0 %  5 B of 0 B  2.0 MiB/s  downloading"),
        ] {
            assert_eq!(plain(&row), expected);
        }
        assert!(bar(&row(1, 1, 0)).starts_with(&format!("[{}]", "#".repeat(30))));
    }
}
