//! Losses of preferences between answers.
