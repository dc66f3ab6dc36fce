//! Decimal arithmetic that is exact or says no, with rounding only where it is asked for by name.
//!
//! `rust_decimal`'s own checked operators round a result that needs more than 28 digits; sums of money may not. Here
//! such a result is [`Arithmetic::OutOfRange`], and a quotient is cut by long division, so it is rounded once.

use core::cmp::Ordering;

use rust_decimal::Decimal;

/// Why a result has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Arithmetic {
    /// It needs more than the 96 bits or 28 places that a decimal has.
    #[error("the result has more digits than a decimal holds; look for an absurd input, nothing was rounded")]
    OutOfRange,
    /// The divisor is zero.
    #[error("division by zero; a price or a quantity is missing")]
    DivisionByZero,
}

/// Which way a result goes that falls between two representable ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Toward zero: cut.
    Down,
    /// Toward negative infinity.
    Floor,
    /// Toward positive infinity.
    Ceiling,
    /// To the nearest; a tie goes to the even digit.
    HalfEven,
}

/// The sum, exact.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn add(a: Decimal, b: Decimal) -> Result<Decimal, Arithmetic> {
    Wide::from(a).add(b.into())?.decimal()
}

/// The difference, exact.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn sub(a: Decimal, b: Decimal) -> Result<Decimal, Arithmetic> {
    add(a, -b)
}

/// The sum of many, exact; zero of none.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn sum(terms: impl IntoIterator<Item = Decimal>) -> Result<Decimal, Arithmetic> {
    terms.into_iter().try_fold(Decimal::ZERO, add)
}

/// The product, exact.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn mul(a: Decimal, b: Decimal) -> Result<Decimal, Arithmetic> {
    Wide::from(a).mul(b.into())?.decimal()
}

/// The product at `places` decimal places, rounded once.
///
/// **Errors**: [`Arithmetic::OutOfRange`].
pub fn mul_to(a: Decimal, b: Decimal, places: u32, rounding: Rounding) -> Result<Decimal, Arithmetic> {
    Wide::from(a).mul(b.into())?.over(Decimal::ONE.into(), places, rounding)
}

/// The quotient at `places` decimal places, rounded once.
///
/// **Errors**: any [`Arithmetic`].
pub fn div_to(n: Decimal, d: Decimal, places: u32, rounding: Rounding) -> Result<Decimal, Arithmetic> {
    Wide::from(n).over(d.into(), places, rounding)
}

/// A number on its way to a result: 38 digits instead of 28, so that the products inside a formula fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    mantissa: i128,
    scale: u32,
}

impl From<Decimal> for Wide {
    fn from(value: Decimal) -> Wide {
        let value = value.normalize();
        Wide { mantissa: value.mantissa(), scale: value.scale() }
    }
}

impl core::ops::Neg for Wide {
    type Output = Wide;

    /// Only sums and products of decimals stand here, and they stay clear of the one value without a negative.
    fn neg(self) -> Wide {
        Wide { mantissa: self.mantissa.saturating_neg(), ..self }
    }
}

impl Wide {
    pub(crate) fn add(self, other: Wide) -> Result<Wide, Arithmetic> {
        let scale = self.scale.max(other.scale);
        let aligned = |of: Wide| {
            10i128.checked_pow(scale - of.scale).and_then(|factor| of.mantissa.checked_mul(factor))
        };
        let sum = aligned(self).zip(aligned(other)).and_then(|(a, b)| a.checked_add(b));
        Ok(Wide { mantissa: sum.ok_or(Arithmetic::OutOfRange)?, scale })
    }

    pub(crate) fn mul(self, other: Wide) -> Result<Wide, Arithmetic> {
        let mantissa = self.mantissa.checked_mul(other.mantissa).ok_or(Arithmetic::OutOfRange)?;
        Ok(Wide { mantissa, scale: self.scale + other.scale })
    }

    pub(crate) const fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// The quotient at `places` decimal places, rounded once.
    pub(crate) fn over(self, d: Wide, places: u32, rounding: Rounding) -> Result<Decimal, Arithmetic> {
        let shift = i64::from(places) + i64::from(d.scale) - i64::from(self.scale);
        let quotient = quotient(self.mantissa.unsigned_abs(), d.mantissa.unsigned_abs(), shift)?;
        let negative = (self.mantissa < 0) != (d.mantissa < 0);
        let away = match rounding {
            Rounding::Down => false,
            Rounding::Floor => negative && !quotient.exact,
            Rounding::Ceiling => !negative && !quotient.exact,
            Rounding::HalfEven => match quotient.rest_to_half {
                Ordering::Less => false,
                Ordering::Equal => quotient.digits % 2 == 1,
                Ordering::Greater => true,
            },
        };
        let magnitude = i128::try_from(quotient.digits).ok().and_then(|q| q.checked_add(i128::from(away)));
        let mantissa = magnitude.ok_or(Arithmetic::OutOfRange)?;
        Wide { mantissa: if negative { -mantissa } else { mantissa }, scale: places }.decimal()
    }

    /// The number itself, dropping zeros that a decimal has no room for.
    fn decimal(mut self) -> Result<Decimal, Arithmetic> {
        loop {
            if let Ok(value) = Decimal::try_from_i128_with_scale(self.mantissa, self.scale) {
                return Ok(value.normalize());
            }
            if self.scale == 0 || self.mantissa % 10 != 0 {
                return Err(Arithmetic::OutOfRange);
            }
            self.mantissa /= 10;
            self.scale -= 1;
        }
    }
}

/// A magnitude cut toward zero, and what was cut off.
struct Quotient {
    digits: u128,
    exact: bool,
    rest_to_half: Ordering,
}

/// `n / d * 10^shift` by long division; both are magnitudes of an `i128`.
fn quotient(n: u128, d: u128, shift: i64) -> Result<Quotient, Arithmetic> {
    let mut digits = n.checked_div(d).ok_or(Arithmetic::DivisionByZero)?;
    let mut rest = n % d;
    if shift >= 0 {
        for _ in 0..shift {
            rest = rest.checked_mul(10).ok_or(Arithmetic::OutOfRange)?;
            let next = digits.checked_mul(10).and_then(|tens| tens.checked_add(rest / d));
            digits = next.ok_or(Arithmetic::OutOfRange)?;
            rest %= d;
        }
        return Ok(Quotient { digits, exact: rest == 0, rest_to_half: rest.cmp(&(d - rest)) });
    }
    let Some(unit) = u32::try_from(-shift).ok().and_then(|places| 10u128.checked_pow(places)) else {
        // No magnitude has that many digits, so nothing but a rest is left of it.
        return Ok(Quotient { digits: 0, exact: n == 0, rest_to_half: Ordering::Less });
    };
    let cut = digits % unit;
    // `unit` is at least ten and therefore even; what the division left breaks a tie.
    let rest_to_half = cut.cmp(&(unit / 2)).then(if rest == 0 { Ordering::Equal } else { Ordering::Greater });
    Ok(Quotient { digits: digits / unit, exact: cut == 0 && rest == 0, rest_to_half })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn d(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_a_rounded_number() {
        let check = |result: Result<Decimal, Arithmetic>, expected: Result<&str, Arithmetic>| {
            assert_eq!(result, expected.map(d));
        };
        let most = Decimal::MAX;
        check(add(most, d("1")), Err(Arithmetic::OutOfRange));
        // The library's own operator gives 79228162514264337593543950335 here.
        check(add(most, d("0.1")), Err(Arithmetic::OutOfRange));
        check(add(d("1000000000000"), d("1.0000000000000000000000000000")), Ok("1000000000001"));
        check(mul(d("1e-20"), d("1e-10")), Err(Arithmetic::OutOfRange));
        check(mul(most, d("10")), Err(Arithmetic::OutOfRange));
        check(mul(most, most), Err(Arithmetic::OutOfRange));
        check(mul(d("0.50"), d("2")), Ok("1"));
        check(div_to(most, d("1e-10"), 0, Rounding::Down), Err(Arithmetic::OutOfRange));
        check(div_to(d("1"), d("0.00"), 8, Rounding::Down), Err(Arithmetic::DivisionByZero));
        check(mul_to(d("1e-28"), d("1e-28"), 8, Rounding::Down), Ok("0"));
        check(mul_to(d("1e-28"), d("1e-28"), 8, Rounding::Ceiling), Ok("0.00000001"));
    }

    #[test]
    fn a_quotient_is_rounded_once_and_by_name() {
        let check = |n: &str, divisor: &str, places: u32, expected: [&str; 4]| {
            let kinds = [Rounding::Down, Rounding::Floor, Rounding::Ceiling, Rounding::HalfEven];
            for (rounding, expected) in kinds.into_iter().zip(expected) {
                assert_eq!(
                    div_to(d(n), d(divisor), places, rounding),
                    Ok(d(expected)),
                    "{n} / {divisor} {rounding:?}"
                );
            }
        };
        // The venue's own sample: half-even would give …28.
        check("1", "8600", 8, ["0.00011627", "0.00011627", "0.00011628", "0.00011628"]);
        check("-1", "8600", 8, ["-0.00011627", "-0.00011628", "-0.00011627", "-0.00011628"]);
        check("1", "8", 2, ["0.12", "0.12", "0.13", "0.12"]);
        check("3", "8", 2, ["0.37", "0.37", "0.38", "0.38"]);
        check("6", "3", 0, ["2", "2", "2", "2"]);
        // A digit past what the library keeps: rounding to 28 digits first would lift this to 1.
        check(
            "9999999999999999999999999999",
            "10000000000000000000000000000",
            27,
            ["0.999999999999999999999999999", "0.999999999999999999999999999", "1", "1"],
        );
        // The tie is broken by what the division left behind the digits that were cut.
        check("0.1250", "1", 2, ["0.12", "0.12", "0.13", "0.12"]);
        check("0.3751", "3", 2, ["0.12", "0.12", "0.13", "0.13"]);
    }

    proptest! {
        /// Integer arithmetic is the model.
        #[test]
        fn agrees_with_integers(a in -1_000_000_000_000i64..1_000_000_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (Decimal::new(a, 6), Decimal::new(b, 3));
            prop_assert_eq!(add(x, y), Ok(Decimal::new(a + b * 1000, 6)));
            prop_assert_eq!(mul(x, y), Ok(Decimal::from_i128_with_scale(i128::from(a) * i128::from(b), 9)));
            if b != 0 {
                // a/10^6 / (b/10^3) at 5 places is a * 100 / b.
                let n = i128::from(a) * 100;
                let floor = n.div_euclid(i128::from(b));
                let floor = if b < 0 && n.rem_euclid(i128::from(b)) != 0 { floor - 1 } else { floor };
                prop_assert_eq!(div_to(x, y, 5, Rounding::Floor), Ok(Decimal::from_i128_with_scale(floor, 5)));
                prop_assert_eq!(
                    div_to(x, y, 5, Rounding::Down),
                    Ok(Decimal::from_i128_with_scale(n / i128::from(b), 5))
                );
            }
        }
    }
}
