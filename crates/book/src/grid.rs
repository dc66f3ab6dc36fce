//! Prices as whole numbers of a step, by one multiplication instead of a division.
//!
//! It owns the arithmetic only; which step a book has is its side's to find out. It refuses to round.

use venuekit_types::Price;

/// A step between prices.
///
/// An odd number has an inverse modulo 2^64, and a number is a multiple of it exactly when the product with the
/// inverse is no greater than 2^64 divided by it; that product is then the quotient. Powers of two are rotated
/// out, so that a remainder lands in the top bits and fails the same comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    step: u64,
    inverse: u64,
    shift: u32,
    max: u64,
}

impl Grid {
    /// The grid of a side that has seen no price: nothing lies on it.
    pub(crate) const UNKNOWN: Grid = Grid { step: 0, inverse: 1, shift: 0, max: 0 };

    /// The grid of a step; of 0, [`Grid::UNKNOWN`].
    pub(crate) fn new(step: u64) -> Grid {
        if step == 0 {
            return Grid::UNKNOWN;
        }
        let shift = step.trailing_zeros();
        let odd = step >> shift;
        // Right to 3 bits, and each round doubles them.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Grid { step, inverse, shift, max: u64::MAX / step }
    }

    /// The step; 0 when unknown.
    pub(crate) fn step(self) -> u64 {
        self.step
    }

    /// How many steps a price is, or nothing when it lies between two.
    #[inline]
    pub(crate) fn tick(self, price: Price) -> Option<u64> {
        let tick = price.0.cast_unsigned().wrapping_mul(self.inverse).rotate_right(self.shift);
        (tick <= self.max).then_some(tick)
    }

    /// The price of so many steps, which [`Grid::tick`] gave.
    #[inline]
    pub(crate) fn price(self, tick: u64) -> Price {
        Price(tick.wrapping_mul(self.step).cast_signed())
    }

    /// The widest step that leads to every price of this grid and to this one too.
    pub(crate) fn step_with(self, price: Price) -> u64 {
        let (mut a, mut b) = (self.step, price.0.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_lies_on_an_unknown_grid() {
        assert_eq!(Grid::UNKNOWN.tick(Price(1)), None);
        assert_eq!(Grid::UNKNOWN.tick(Price(i64::MAX)), None);
        assert_eq!(Grid::UNKNOWN.step_with(Price(250)), 250);
        assert_eq!(Grid::new(250).step_with(Price(1_100)), 50);
    }

    proptest! {
        #[test]
        fn multiplies_as_division_divides(
            price in 0..=i64::MAX, step in prop_oneof![1..=u64::MAX, 1_u64..1_000_000, (0_u32..64).prop_map(|n| 1 << n)],
        ) {
            let whole = price.unsigned_abs();
            let expected = (whole % step == 0).then(|| whole / step);
            let grid = Grid::new(step);
            prop_assert_eq!(grid.tick(Price(price)), expected);
            let on = whole - whole % step;
            prop_assert_eq!(grid.tick(Price(on.cast_signed())), Some(whole / step));
            prop_assert_eq!(grid.price(whole / step), Price(on.cast_signed()));
        }
    }
}
