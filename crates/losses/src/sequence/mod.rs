//! Losses of sequences.
