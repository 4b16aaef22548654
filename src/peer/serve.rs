//! The routes that serve friends.
