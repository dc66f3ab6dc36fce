//! Protocol types exactly as each venue spells them, borrowed, and the shared frame scanner.
