//! What is wrong with a configuration, collected so that everything is reported at once.
//!
//! A [`Complaint`] is what a value parser says about one value; a [`Problem`] adds the place; a
//! [`ConfigError`] is the whole report, one `file:line: key: problem, hint` a line, by line number.
//! No text in here ever holds a secret: parsers of secrets and addresses do not quote their input.

use std::fmt;
use std::path::{Path, PathBuf};

/// Problems kept for one report. A file of another kind could have one a line; nobody reads more
/// than a screen or two, and the rest is counted.
pub const MAX_PROBLEMS: usize = 100;

/// Characters of foreign text quoted in a message, so that one line stays one line on a screen.
const MAX_QUOTED_CHARS: usize = 60;

/// What a value parser has against a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub problem: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl Complaint {
    /// A complaint with a hint.
    pub fn new(problem: impl Into<String>, hint: impl Into<String>) -> Complaint {
        Complaint {
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if !self.hint.is_empty() {
            write!(f, ", {}", self.hint)?;
        }
        Ok(())
    }
}

/// A complaint and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line number from 1; 0 = the file as a whole.
    pub line: usize,
    /// Key or section; empty where there is none.
    pub subject: String,
    /// What and what to do.
    pub complaint: Complaint,
}

impl Problem {
    /// The problem as one line of a report.
    pub fn render(&self, file: &Path) -> String {
        let mut text = file.display().to_string();
        if self.line > 0 {
            text.push_str(&format!(":{}", self.line));
        }
        if !self.subject.is_empty() {
            text.push_str(": ");
            text.push_str(&self.subject);
        }
        text.push_str(": ");
        text.push_str(&self.complaint.to_string());
        text
    }
}

/// Collects problems and warnings while a file is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    not_kept: usize,
    warnings: Vec<Problem>,
}

impl Problems {
    /// Adds a problem.
    pub fn add(&mut self, line: usize, subject: impl Into<String>, complaint: Complaint) {
        if self.is_full() {
            self.not_kept += 1;
            return;
        }
        self.found.push(Problem {
            line,
            subject: subject.into(),
            complaint,
        });
    }

    /// Adds something that is legal but hardly meant.
    pub fn warn(&mut self, line: usize, subject: impl Into<String>, complaint: Complaint) {
        if self.warnings.len() < MAX_PROBLEMS {
            self.warnings.push(Problem {
                line,
                subject: subject.into(),
                complaint,
            });
        }
    }

    /// True once further problems are only counted: costly hints are not worth making then.
    pub fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    /// The warnings as lines, if nothing was wrong; else the report.
    pub fn finish(mut self, file: &Path) -> Result<Vec<String>, ConfigError> {
        if self.found.is_empty() {
            self.warnings.sort_by_key(|warning| warning.line);
            return Ok(self.warnings.iter().map(|w| w.render(file)).collect());
        }
        self.found.sort_by_key(|problem| problem.line);
        Err(ConfigError {
            file: file.to_path_buf(),
            problems: self.found,
            not_kept: self.not_kept,
        })
    }
}

/// Everything that is wrong with a configuration. `Display` has one problem a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    problems: Vec<Problem>,
    not_kept: usize,
}

impl ConfigError {
    /// The file as a whole is of no use (missing, unreadable).
    pub(super) fn whole_file(file: &Path, complaint: Complaint) -> ConfigError {
        ConfigError {
            file: file.to_path_buf(),
            problems: vec![Problem {
                line: 0,
                subject: String::new(),
                complaint,
            }],
            not_kept: 0,
        }
    }

    /// The problems that were kept, by line.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many there are, those not kept included.
    pub fn count(&self) -> usize {
        self.problems.len() + self.not_kept
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&problem.render(&self.file))?;
        }
        if self.not_kept > 0 {
            write!(f, "\n… and {} more", self.not_kept)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Text from the file as messages show it: in backquotes, shortened. Never for secrets.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_is_sorted_by_line_and_bounded() {
        let mut problems = Problems::default();
        for line in (1..=MAX_PROBLEMS + 7).rev() {
            problems.add(line, "key", Complaint::new("is wrong", "mend it"));
        }
        let error = problems.finish(Path::new("x.ini")).unwrap_err();
        assert_eq!(error.count(), MAX_PROBLEMS + 7);
        let text = error.to_string();
        assert!(text.starts_with("x.ini:8: key: is wrong, mend it\nx.ini:9: key:"));
        assert!(text.ends_with("\n… and 7 more"), "{text}");
        assert_eq!(text.lines().count(), MAX_PROBLEMS + 1);
    }

    #[test]
    fn a_whole_file_has_no_line_number() {
        let error =
            ConfigError::whole_file(Path::new("/x"), Complaint::new("cannot be read", "look"));
        assert_eq!(error.to_string(), "/x: cannot be read, look");
    }

    #[test]
    fn long_text_is_shortened_at_a_character() {
        let shown = quoted(&"ä".repeat(500));
        assert_eq!(shown.chars().count(), MAX_QUOTED_CHARS + 3);
        assert_eq!(quoted("short"), "`short`");
    }
}
