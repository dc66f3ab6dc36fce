//! The venue's instruments as ours: `BTCUSDT` is `BTC/USDT` where it is spot and `BTC/USDT:USDT` where it is not.

use venuekit_types::{Fixed, Instrument, Kind, NumError, Price, Qty, Scale, Status, Symbol, SymbolError};
use venuekit_venue::BrokenWhy;
use venuekit_venue::read::{bare_terms, clip, split_pair};
use venuekit_wire::{Num, WireError, doex};

use crate::spec::FUTURES;

/// Why one instrument of a list cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermsError {
    #[error("{0}")]
    Shape(#[from] WireError),
    #[error("{0}")]
    Symbol(#[from] SymbolError),
    #[error("{0:?} is no name of an instrument")]
    Name(String),
    #[error("{0:?} is no kind of instrument that we know")]
    Kind(String),
    #[error("a perpetual without `settle`")]
    Settle,
    #[error("{field}: {reason}")]
    Number { field: &'static str, reason: NumError },
}

impl TermsError {
    pub(crate) fn why(&self) -> BrokenWhy {
        if matches!(self, TermsError::Kind(_)) { BrokenWhy::UnknownKind } else { BrokenWhy::Shape }
    }
}

/// What a name says: its pair, and the product whether it is a contract.
pub(crate) fn bare(name: &str, product: usize) -> Option<Instrument> {
    let (base, quote) = split_pair(name, &["USDT", "USDC", "BTC", "ETH"]).filter(|_| is_plain(name))?;
    let symbol = match product {
        FUTURES => Symbol::perpetual(base, quote, quote),
        _ => Symbol::spot(base, quote),
    };
    Some(bare_terms(name, symbol.ok()?, false))
}

/// Reads one element of the instrument list; nothing when it belongs to the other product.
pub(crate) fn instrument(json: &str, product: usize) -> Result<Option<Instrument>, TermsError> {
    let terms: doex::Instrument<'_> = venuekit_wire::parse(json.as_bytes())?;
    let kind = match terms.kind {
        doex::InstrumentKind::Spot => Kind::Spot,
        doex::InstrumentKind::Perpetual => Kind::Perpetual,
        doex::InstrumentKind::Other(word) => return Err(TermsError::Kind(clip(&word).to_owned())),
    };
    if (kind == Kind::Perpetual) != (product == FUTURES) {
        return Ok(None);
    }
    let name = terms.symbol.as_str();
    if !is_plain(name) {
        return Err(TermsError::Name(clip(name).to_owned()));
    }
    let symbol = match (kind == Kind::Spot, &terms.settle) {
        (true, _) => Symbol::spot(&terms.base, &terms.quote)?,
        (false, Some(settle)) => Symbol::perpetual(&terms.base, &terms.quote, settle)?,
        (false, None) => return Err(TermsError::Settle),
    };
    let tick = fixed("tickSize", &terms.tick_size)?;
    let step = fixed("stepSize", &terms.step_size)?;
    let contract_size = terms.contract_size.as_ref().filter(|_| kind == Kind::Perpetual);
    Ok(Some(Instrument {
        venue_symbol: name.to_owned(),
        aliases: Vec::new(),
        symbol,
        kind,
        price_scale: tick.scale,
        qty_scale: step.scale,
        tick: Price(tick.mantissa),
        step: Qty(step.mantissa),
        min_qty: qty("minQty", terms.min_qty.as_ref(), step.scale)?,
        max_qty: qty("maxQty", terms.max_qty.as_ref(), step.scale)?,
        min_notional: optional("minNotional", terms.min_notional.as_ref())?,
        contract_size: optional("contractSize", contract_size)?,
        inverse: terms.inverse == Some(true),
        maker_fee: optional("makerFee", terms.maker_fee.as_ref())?,
        taker_fee: optional("takerFee", terms.taker_fee.as_ref())?,
        status: match terms.status {
            doex::InstrumentStatus::Trading => Status::Trading,
            doex::InstrumentStatus::Delisted => Status::Delisted,
            // A status that we do not know is no licence to trade.
            doex::InstrumentStatus::Halted | doex::InstrumentStatus::Other(_) => Status::Halted,
        },
        version: 0,
    }))
}

/// A number at the scale of its significant digits: `0.01000000` counts hundredths.
fn fixed(field: &'static str, num: &Num<'_>) -> Result<Fixed, TermsError> {
    num.parse_fixed().map_err(|reason| TermsError::Number { field, reason })
}

fn optional(field: &'static str, num: Option<&Num<'_>>) -> Result<Option<Fixed>, TermsError> {
    num.map(|num| fixed(field, num)).transpose()
}

fn qty(field: &'static str, num: Option<&Num<'_>>, scale: Scale) -> Result<Option<Qty>, TermsError> {
    let count = num.map(|num| num.parse_scaled(scale)).transpose();
    Ok(count.map_err(|reason| TermsError::Number { field, reason })?.map(Qty))
}

/// Names become parts of queries and of stream names, so they hold nothing that has a meaning there.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
