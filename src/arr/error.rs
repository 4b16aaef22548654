//! What can go wrong with a Radarr or Sonarr, told apart as far as the owner can act on it.
//!
//! Every message begins with the server's title and names what was asked. Keys never appear.
//! Which answer means what follows the v3 API of Sonarr 4 and Radarr 6: 401 with an empty body for
//! a wrong key, 503 while starting, 307 for a missing URL base, 400 with an array for validation.

use std::fmt;

/// One entry of a validation answer (HTTP 400 with a JSON array).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// The field; may be empty.
    pub property: String,
    /// The arr's own words.
    pub message: String,
    /// A warning that `forceSave=true` would skip.
    pub is_warning: bool,
}

/// Why an arr did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrError {
    /// No connection, no name, timeout, TLS: may pass.
    Unreachable(String),
    /// It answered 503: it is starting up, or a proxy has no backend. May pass.
    Starting(String),
    /// 401 or 403: the key is wrong.
    Unauthorized(String),
    /// The address leads to a redirect: a URL base is missing, or a login page stands before it.
    Redirected(String),
    /// It answered, but no JSON of the API: a proxy's page, a truncated body, a null.
    Protocol(String),
    /// It is the other program (a Sonarr where a Radarr was configured).
    WrongApp(String),
    /// HTTP 404.
    NotFound(String),
    /// HTTP 400 with validation messages.
    Invalid {
        /// What was asked.
        what: String,
        /// The arr's messages, in its order.
        items: Vec<Validation>,
    },
    /// Any other error status.
    Status {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// The arr's `message`, if it gave one.
        message: String,
    },
}

impl ArrError {
    /// True when trying again later, with nothing changed by the owner, can help.
    pub fn may_pass(&self) -> bool {
        match self {
            ArrError::Unreachable(_) | ArrError::Starting(_) | ArrError::Protocol(_) => true,
            ArrError::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

impl fmt::Display for ArrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArrError::Unreachable(what)
            | ArrError::Starting(what)
            | ArrError::Unauthorized(what)
            | ArrError::Redirected(what)
            | ArrError::Protocol(what)
            | ArrError::WrongApp(what)
            | ArrError::NotFound(what) => f.write_str(what),
            ArrError::Invalid { what, items } => {
                write!(f, "{what}: refused")?;
                for item in items {
                    let kind = if item.is_warning { " (warning)" } else { "" };
                    match item.property.as_str() {
                        "" => write!(f, "; {}{kind}", item.message)?,
                        property => write!(f, "; {property}: {}{kind}", item.message)?,
                    }
                }
                Ok(())
            }
            ArrError::Status {
                what,
                status,
                message,
            } => {
                write!(f, "{what}: HTTP status {status}")?;
                if !message.is_empty() {
                    write!(f, ": {message}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ArrError {}
