//! A level-2 order book that cannot be read while it is out of sequence.
