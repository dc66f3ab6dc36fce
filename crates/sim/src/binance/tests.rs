//! Frames pinned byte for byte to the shapes of the card.
