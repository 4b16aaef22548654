//! One jackdaw process of the demo: started from a generated configuration file, watched through
//! its log, stopped or killed when it is dropped.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a start may take: a slow SD card with a cold cache.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// A stop takes at most 5 s by promise; one more for a busy host.
const STOP_PATIENCE: Duration = Duration::from_secs(6);
/// Lines of log kept to explain a failure.
const TAIL_LINES: usize = 12;
/// Longest line that is looked at.
const MAX_LINE: u64 = 4096;
/// What the log says before the address.
const LISTENING: &str = "listening on http://";

type Tail = Arc<Mutex<VecDeque<String>>>;

/// A running process.
pub struct Instance {
    name: &'static str,
    child: Child,
    base: String,
    tail: Tail,
}

impl Instance {
    /// Starts `jackdaw run` with this configuration and waits until it listens.
    pub fn start(
        name: &'static str,
        home: &Path,
        config: &str,
        interrupted: &AtomicBool,
    ) -> Result<Instance, String> {
        let file = home.join(format!("{name}.ini"));
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut open| open.write_all(config.as_bytes()))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let program = std::env::current_exe()
            .map_err(|error| format!("cannot find the path of this program: {error}"))?;
        let mut child = Command::new(&program)
            .arg("run")
            .arg("--config")
            .arg(&file)
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let tail: Tail = Arc::default();
        let (found, address) = channel();
        let log = child.stderr.take();
        // Owned from here on, so that a failure below ends the process.
        let mut instance = Instance {
            name,
            child,
            base: String::new(),
            tail: Arc::clone(&tail),
        };
        if let Some(log) = log {
            std::thread::spawn(move || read_log(log, &tail, &found));
        }
        instance.base = instance.wait_for_address(&address, interrupted)?;
        Ok(instance)
    }

    fn wait_for_address(
        &mut self,
        address: &Receiver<String>,
        interrupted: &AtomicBool,
    ) -> Result<String, String> {
        let deadline = Instant::now() + START_PATIENCE;
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            match address.recv_timeout(Duration::from_millis(100)) {
                Ok(address) => return Ok(format!("http://{address}")),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "the {} did not listen within {} s:\n{}",
                        self.name,
                        START_PATIENCE.as_secs(),
                        self.tail()
                    ));
                }
                // Its log ended before it listened.
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the {} ended:\n{}", self.name, self.tail()));
                }
            }
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(tail.iter().map(String::as_str)).join("\n")
    }

    /// What to say if the process is gone: its last words.
    pub fn obituary(&self) -> Option<String> {
        // The log's reader holds the other end of the `Arc` for as long as the process lives.
        (Arc::strong_count(&self.tail) == 1)
            .then(|| format!("the {} ended:\n{}", self.name, self.tail()))
    }

    /// Highest resident memory so far, bytes; `None` where /proc does not tell.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
        kib.checked_mul(1024)
    }

    /// Asks it to stop and waits; an error if it does not end cleanly in time.
    pub fn stop(mut self) -> Result<(), String> {
        self.ask_to_stop()?;
        match self.wait(STOP_PATIENCE) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!(
                "the {} ended with {status}:\n{}",
                self.name,
                self.tail()
            )),
            None => Err(format!(
                "the {} did not stop within {} s",
                self.name,
                STOP_PATIENCE.as_secs()
            )),
        }
    }

    fn ask_to_stop(&self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or_else(|| format!("the {} has no process id", self.name))?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|error| format!("cannot stop the {}: {error}", self.name))
    }

    /// How it ended; `None` if it still runs after `patience`.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // After a stop nothing is left to do here. After a failure it gets the chance to clean up:
        // it keeps a socket in the folder for temporary files.
        if matches!(self.child.try_wait(), Ok(Some(_)))
            || (self.ask_to_stop().is_ok() && self.wait(STOP_PATIENCE).is_some())
        {
            return;
        }
        // Both fail only for a process that has ended after all.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Keeps the end of the log, and passes on the address when it appears.
fn read_log(log: ChildStderr, tail: &Tail, found: &Sender<String>) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut log).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_string();
        if let Some(address) = address_in(&text) {
            // Nobody listens any more once the first address was taken.
            let _ = found.send(address.to_string());
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

fn address_in(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(LISTENING)?;
    rest.split(|c: char| c.is_whitespace() || c == ',' || c == '/')
        .next()
        .filter(|address| !address.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_from_the_log() {
        for (line, expected) in [
            (
                "INFO listening on http://127.0.0.1:5225",
                Some("127.0.0.1:5225"),
            ),
            ("listening on http://[::1]:80, and more", Some("[::1]:80")),
            ("listening on http://127.0.0.1:1/x", Some("127.0.0.1:1")),
            ("listening on http://", None),
            ("connected to http://127.0.0.1:1", None),
        ] {
            assert_eq!(address_in(line), expected, "{line}");
        }
    }
}
