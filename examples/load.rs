//! Asks a server the same things over and over and says how long it took: the load that
//! scripts/bench measures with, since an interpreter would measure itself.
//!
//! `load ADDRESS CLIENTS SECONDS [HEADER...] < targets`: each client has one connection and asks
//! for one target after the other, each as soon as the one before is answered. Answers other than
//! 200 and broken connections count as errors. Prints one line of JSON, times in microseconds.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// A server that does not answer within this counts as an error.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Tally {
    micros: Vec<u64>,
    errors: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, clients, seconds, headers @ ..] = &arguments[..] else {
        return Err("usage: load ADDRESS CLIENTS SECONDS [HEADER...] < targets".into());
    };
    let clients: usize = clients.parse().map_err(|_| "CLIENTS is no number")?;
    let seconds: f64 = seconds.parse().map_err(|_| "SECONDS is no number")?;
    let targets: Vec<String> = io::stdin()
        .lines()
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    if targets.is_empty() {
        return Err("no targets on standard input".into());
    }
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let tallies = thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|number| {
                let (targets, headers) = (&targets, &headers);
                // Spread over the list, so that clients ask for different things.
                let first = number * targets.len() / clients.max(1);
                scope.spawn(move || client(address, targets, first, headers, end))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_default())
            .collect::<Vec<Tally>>()
    });
    let errors: u64 = tallies.iter().map(|tally| tally.errors).sum();
    let mut micros: Vec<u64> = tallies.into_iter().flat_map(|tally| tally.micros).collect();
    micros.sort_unstable();
    let at = |percent: usize| {
        let index = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
        micros.get(index).copied().unwrap_or(0)
    };
    println!(
        "{{\"requests\":{},\"errors\":{errors},\"p50\":{},\"p99\":{},\"max\":{}}}",
        micros.len(),
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

fn client(address: &str, targets: &[String], first: usize, headers: &str, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    let mut body = Vec::new();
    for target in targets.iter().cycle().skip(first) {
        if Instant::now() >= end {
            break;
        }
        let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
        let began = Instant::now();
        let result = match &mut connection {
            Some(stream) => Ok(stream),
            None => connect(address).map(|stream| connection.insert(stream)),
        }
        .and_then(|stream| exchange(stream, request.as_bytes(), &mut body));
        match result {
            Ok((200, is_kept)) => {
                let took = began.elapsed().as_micros();
                tally.micros.push(u64::try_from(took).unwrap_or(u64::MAX));
                if !is_kept {
                    connection = None;
                }
            }
            other => {
                if tally.errors == 0 {
                    eprintln!("load: {target}: {other:?}");
                }
                tally.errors += 1;
                connection = None;
            }
        }
    }
    tally
}

fn connect(address: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

/// One request and its whole answer: the status, and whether the connection goes on.
fn exchange(
    stream: &mut BufReader<TcpStream>,
    request: &[u8],
    body: &mut Vec<u8>,
) -> io::Result<(u16, bool)> {
    stream.get_mut().write_all(request)?;
    let mut line = String::new();
    read_line(stream, &mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or(ErrorKind::InvalidData)?;
    let (mut length, mut is_chunked, mut is_kept) = (None, false, true);
    loop {
        read_line(stream, &mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().ok(),
            "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => is_kept = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    body.clear();
    if is_chunked {
        loop {
            read_line(stream, &mut line)?;
            let size = u64::from_str_radix(line.trim(), 16).map_err(|_| ErrorKind::InvalidData)?;
            // Each chunk is followed by a line end, and so is the empty last one.
            let wanted = size + 2;
            if stream.by_ref().take(wanted).read_to_end(body)? as u64 != wanted {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if size == 0 {
                break;
            }
        }
    } else {
        let wanted = length.ok_or(ErrorKind::InvalidData)?;
        if stream.by_ref().take(wanted).read_to_end(body)? as u64 != wanted {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((status, is_kept))
}

fn read_line(stream: &mut BufReader<TcpStream>, line: &mut String) -> io::Result<()> {
    line.clear();
    if stream.read_line(line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
