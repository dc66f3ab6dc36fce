//! Every signing scheme with its vectors, and a secret that never prints.
