//! The venue's markets as ours: `BTCUSDT` is `BTC/USDT` at spot and `BTC/USDT:USDT` at USD-M.

use venuekit_types::{Fixed, Instrument, Kind, NumError, Price, Qty, Scale, Status, Symbol, SymbolError};
use venuekit_venue::read::{bare_terms, clip, split_pair};
use venuekit_wire::binance::{ContractType, Filter, SymbolStatus, Terms};
use venuekit_wire::{Num, WireError};

use crate::spec::{ISOLATED, MARGIN, is_usdm};

/// Digits after the point that the venue writes at most.
const FREE_DIGITS: u8 = 8;
/// Digits of the largest order, that a hundred of them are less than what 64 bits hold.
const ROOM_DIGITS: u8 = 16;

/// Why one market of a list cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TermsError {
    #[error("{0}")]
    Shape(#[from] WireError),
    #[error("{0}")]
    Symbol(#[from] SymbolError),
    #[error("{0:?} is no name of a market")]
    Name(String),
    #[error("no `{0}`")]
    Missing(&'static str),
    #[error("{field}: {reason}")]
    Number { field: &'static str, reason: NumError },
}

/// Assets that markets are priced in, for names that nobody has explained.
const QUOTES: [&str; 24] = [
    "USDT", "USDC", "FDUSD", "TUSD", "USD1", "BUSD", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "JPY",
    "AUD", "RUB", "UAH", "ZAR", "PLN", "MXN", "ARS", "IDR", "DOGE", "TRX",
];

/// What a name alone says of a market.
pub(crate) fn terms_of(name: &str, product: usize) -> Option<Instrument> {
    let (pair, expiry) = match name.split_once('_') {
        Some((pair, expiry)) => (pair, Some(expiry)),
        None => (name, None),
    };
    let (base, quote) = split_pair(pair, &QUOTES)?;
    let symbol = match (is_usdm(product), expiry) {
        (false, None) => Symbol::spot(base, quote),
        (false, Some(_)) => return None,
        (true, None) => Symbol::perpetual(base, quote, quote),
        (true, Some(expiry)) => Symbol::future(base, quote, quote, expiry),
    };
    Some(bare_terms(name, symbol.ok()?, false))
}

/// Reads one element of the list of markets; nothing for contracts of a kind that we do not know.
pub(crate) fn instrument(json: &str, product: usize) -> Result<Option<Instrument>, TermsError> {
    let terms: Terms<'_> = venuekit_wire::parse(json.as_bytes())?;
    let name = terms.symbol.as_str();
    if !is_plain(name) {
        return Err(TermsError::Name(clip(name).to_owned()));
    }
    if matches!(product, MARGIN | ISOLATED) && terms.is_margin_trading_allowed == Some(false) {
        return Ok(None);
    }
    let (base, quote) = (&terms.base_asset, &terms.quote_asset);
    let settle = || terms.margin_asset.as_ref().ok_or(TermsError::Missing("marginAsset"));
    let (kind, symbol) = match &terms.contract_type {
        _ if !is_usdm(product) => (Kind::Spot, Symbol::spot(base, quote)?),
        Some(ContractType::Perpetual | ContractType::TradifiPerpetual) => {
            (Kind::Perpetual, Symbol::perpetual(base, quote, settle()?)?)
        }
        Some(ContractType::CurrentQuarter | ContractType::NextQuarter) => {
            let (_, expiry) = name.split_once('_').ok_or_else(|| TermsError::Name(clip(name).to_owned()))?;
            (Kind::Future, Symbol::future(base, quote, settle()?, expiry)?)
        }
        // Those that are not open yet are of no kind.
        Some(ContractType::Other(_)) | None => return Ok(None),
    };
    let filter = |kind: &str| terms.filters.iter().find(|filter| filter.filter_type == kind);
    let prices = filter("PRICE_FILTER").ok_or(TermsError::Missing("PRICE_FILTER"))?;
    let lots = filter("LOT_SIZE").ok_or(TermsError::Missing("LOT_SIZE"))?;
    let (price_scale, tick) = grid("tickSize", prices.tick_size.as_ref(), prices.max_price.as_ref())?;
    let (qty_scale, step) = grid("stepSize", lots.step_size.as_ref(), lots.max_qty.as_ref())?;
    let value = filter("NOTIONAL").or_else(|| filter("MIN_NOTIONAL"));
    let least =
        value.and_then(|filter: &Filter<'_>| filter.min_notional.as_ref().or(filter.notional.as_ref()));
    Ok(Some(Instrument {
        venue_symbol: name.to_owned(),
        aliases: Vec::new(),
        symbol,
        kind,
        price_scale,
        qty_scale,
        tick: Price(tick),
        step: Qty(step),
        min_qty: bound("minQty", lots.min_qty.as_ref(), qty_scale)?,
        max_qty: bound("maxQty", lots.max_qty.as_ref(), qty_scale)?,
        min_notional: match least {
            Some(num) => Some(fixed("minNotional", num)?).filter(|least| least.mantissa != 0),
            None => None,
        },
        contract_size: (kind != Kind::Spot).then_some(Fixed { mantissa: 1, scale: Scale::ZERO }),
        inverse: false,
        maker_fee: None,
        taker_fee: None,
        status: match terms.status {
            SymbolStatus::Trading => Status::Trading,
            SymbolStatus::Close => Status::Delisted,
            // A status that we do not know is no licence to trade.
            _ => Status::Halted,
        },
        version: 0,
    }))
}

/// A number at the scale of its significant digits: `0.01000000` counts hundredths.
fn fixed(field: &'static str, num: &Num<'_>) -> Result<Fixed, TermsError> {
    num.parse_fixed().map_err(|reason| TermsError::Number { field, reason })
}

/// An increment and the scale that it counts at; a zero switches it off.
///
/// The scale is finer than the increment: a book keeps levels that are older than its grid. It has all the digits that
/// the venue ever writes, or as many as leave room for a level of a hundred of the largest orders.
fn grid(
    field: &'static str,
    increment: Option<&Num<'_>>,
    most: Option<&Num<'_>>,
) -> Result<(Scale, i64), TermsError> {
    let increment = increment.ok_or(TermsError::Missing(field))?;
    let most = most.map(|most| fixed(field, most)).transpose()?.filter(|most| most.mantissa > 0);
    let room = most.map_or(FREE_DIGITS, |most| {
        let whole = (most.mantissa.ilog10() + 1).saturating_sub(u32::from(most.scale.digits()));
        ROOM_DIGITS.saturating_sub(u8::try_from(whole).unwrap_or(u8::MAX)).min(FREE_DIGITS)
    });
    let digits = room.max(fixed(field, increment)?.scale.digits());
    let scale = Scale::new(digits).unwrap_or_default();
    let count = increment.parse_scaled(scale).map_err(|reason| TermsError::Number { field, reason })?;
    Ok((scale, count))
}

/// A bound; a zero switches it off.
fn bound(field: &'static str, num: Option<&Num<'_>>, scale: Scale) -> Result<Option<Qty>, TermsError> {
    let Some(num) = num else { return Ok(None) };
    let count = num.parse_scaled(scale).map_err(|reason| TermsError::Number { field, reason })?;
    Ok(Some(Qty(count)).filter(|qty| qty.0 != 0))
}

/// Names become parts of queries and of stream names, so they hold nothing that has a meaning there. They need not
/// be of Latin letters.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}
