//! What the tests over recorded sessions share: tapes, decoders, replay.

pub(crate) mod decode;
pub(crate) mod replay;
pub(crate) mod tape;
