//! Bencode: reader and writer.
