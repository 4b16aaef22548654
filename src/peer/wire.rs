//! JSON form of a release (peer protocol 0.1.0).
