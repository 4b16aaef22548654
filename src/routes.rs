//! The route table: every path that jackdaw answers, at one glance.

use crate::app::Services;
use crate::http::Route;

/// All routes; the first match wins.
pub const ROUTES: &[Route<Services>] = &[];
