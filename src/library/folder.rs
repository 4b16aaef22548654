//! A plain directory, shared without any arr.
