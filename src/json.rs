//! JSON over miniserde: reading long arrays item by item, and small helpers for writing.
