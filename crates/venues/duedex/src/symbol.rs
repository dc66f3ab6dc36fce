//! The venue's instruments as ours: `BTCUSD` is `BTC/USD:BTC`, `BTCUSDT` is `BTC/USDT:USDT`.

use venuekit_types::{Instrument, Kind, NumError, Price, Qty, Scale, Status, Symbol, SymbolError};
use venuekit_venue::read::{bare_terms, clip, split_pair};
use venuekit_wire::{WireError, duedex};

/// Why one instrument of a list cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermsError {
    #[error("{0}")]
    Shape(#[from] WireError),
    #[error("{0}")]
    Symbol(#[from] SymbolError),
    #[error("{0:?} is no name of an instrument")]
    Name(String),
    #[error("{field}: {reason}")]
    Number { field: &'static str, reason: NumError },
}

/// What a name says: contracts in dollars pay in their base, those in tethers pay in tethers.
pub(crate) fn bare(name: &str) -> Option<Instrument> {
    let (base, quote) = split_pair(name, &["USD", "USDT"]).filter(|_| is_plain(name))?;
    let inverse = quote == "USD";
    let symbol = Symbol::perpetual(base, quote, if inverse { base } else { quote }).ok()?;
    Some(bare_terms(name, symbol, inverse))
}

/// Reads one element of the instrument list.
pub(crate) fn instrument(json: &str) -> Result<Instrument, TermsError> {
    let terms: duedex::Instrument<'_> = venuekit_wire::parse(json.as_bytes())?;
    let name = terms.instrument_id.as_str();
    if !is_plain(name) {
        return Err(TermsError::Name(clip(name).to_owned()));
    }
    let number = |field| move |reason| TermsError::Number { field, reason };
    let price_scale = Scale::new(terms.price_precision)
        .ok_or(number("pricePrecision")(NumError::TooFine { digits: terms.price_precision }))?;
    let tick = terms.tick_size.parse_scaled(price_scale).map_err(number("tickSize"))?;
    Ok(Instrument {
        venue_symbol: name.to_owned(),
        aliases: Vec::new(),
        symbol: Symbol::perpetual(
            &terms.base_currency_symbol,
            &terms.quote_currency_symbol,
            &terms.settlement_currency.symbol,
        )?,
        kind: Kind::Perpetual,
        price_scale,
        qty_scale: Scale::ZERO,
        tick: Price(tick),
        step: Qty(terms.lot_size),
        min_qty: None,
        max_qty: Some(Qty(terms.max_size)),
        min_notional: None,
        contract_size: Some(terms.multiplier.parse_fixed().map_err(number("multiplier"))?),
        inverse: terms.is_inverse,
        maker_fee: Some(terms.maker_fee.parse_fixed().map_err(number("makerFee"))?),
        taker_fee: Some(terms.taker_fee.parse_fixed().map_err(number("takerFee"))?),
        status: match terms.status {
            duedex::MarketStatus::Open => Status::Trading,
            duedex::MarketStatus::Delisted => Status::Delisted,
            // A status that we do not know is no licence to trade.
            duedex::MarketStatus::Created
            | duedex::MarketStatus::Suspended
            | duedex::MarketStatus::Other(_) => Status::Halted,
        },
        version: 0,
    })
}

/// Names become parts of paths and queries, so they hold nothing that has a meaning there.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
