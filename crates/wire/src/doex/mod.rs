//! Doex.
