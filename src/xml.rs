//! Writing XML.
