//! The venue's instruments as ours. Spot has up to four names for one pair (`XXBTZUSD`, `XBTUSD`, `XBT/USD`, `BTC/USD`);
//! futures tell by a prefix what a contract is.

use venuekit_types::{Fixed, Instrument, Kind, Price, Qty, Scale, Status, Symbol};
use venuekit_venue::read::{Unfit, bare_terms, split_pair};
use venuekit_wire::Num;
use venuekit_wire::kraken::{futures, spot};

use crate::spec::SPOT;

/// Assets whose names differ from everybody else's. The list of names that begin with X or Z is closed: the venue has
/// named none that way since 2017, and XTZ, ZRX or XCN keep their letters.
const ASSETS: [(&str, &str); 24] = [
    ("XBT", "BTC"),
    ("XDG", "DOGE"),
    ("XXBT", "BTC"),
    ("XXDG", "DOGE"),
    ("XETC", "ETC"),
    ("XETH", "ETH"),
    ("XICN", "ICN"),
    ("XLTC", "LTC"),
    ("XMLN", "MLN"),
    ("XNMC", "NMC"),
    ("XREP", "REP"),
    ("XXLM", "XLM"),
    ("XXMR", "XMR"),
    ("XXRP", "XRP"),
    ("XXVN", "XVN"),
    ("XZEC", "ZEC"),
    ("ZAUD", "AUD"),
    ("ZCAD", "CAD"),
    ("ZEUR", "EUR"),
    ("ZGBP", "GBP"),
    ("ZJPY", "JPY"),
    ("ZKRW", "KRW"),
    ("ZUSD", "USD"),
    ("ZCHF", "CHF"),
];

/// The usual name of an asset. What follows a point says where it is kept (`XBT.M`, `ETH2.S`) and stays.
pub(crate) fn asset(native: &str) -> String {
    let (name, place) = native.split_once('.').unwrap_or((native, ""));
    let known = ASSETS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(name));
    let name = known.map_or(name, |(_, ours)| ours).to_ascii_uppercase();
    if place.is_empty() { name } else { format!("{name}.{place}") }
}

/// The name of an asset within the names of pairs.
fn alternative(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// The name of a pair on the streams: as it is written elsewhere, with the usual names of the two old assets.
fn stream_name(base: &str, quote: &str) -> String {
    let usual = |asset: &str| match asset {
        "XBT" => "BTC".to_owned(),
        "XDG" => "DOGE".to_owned(),
        other => other.to_owned(),
    };
    format!("{}/{}", usual(base), usual(quote))
}

/// What a name alone says.
pub(crate) fn bare(product: usize, name: &str) -> Option<Instrument> {
    if product == SPOT {
        let (base, quote) = name.split_once('/')?;
        return Some(bare_terms(name, Symbol::spot(&asset(base), &asset(quote)).ok()?, false));
    }
    let contract = Contract::of(name)?;
    let inverse = contract.is_inverse;
    Some(bare_terms(name, contract.symbol(None, None, inverse)?, inverse))
}

/// Reads a pair of `AssetPairs`, under its key; nothing for one that no stream carries.
pub(crate) fn pair(key: &str, terms: &spot::AssetPair<'_>) -> Result<Option<Instrument>, Unfit> {
    let Some((base, quote)) = terms.wsname.as_ref().and_then(|name| name.split_once('/')) else {
        return Ok(None);
    };
    let name = stream_name(base, quote);
    let names = [key, terms.altname.as_str(), terms.wsname.as_deref().unwrap_or_default()];
    let aliases = names.into_iter().filter(|alias| *alias != name).map(str::to_owned).collect();
    let scales = (scale(terms.pair_decimals)?, scale(terms.lot_decimals)?);
    let rate = |rates: &Option<Vec<(Num<'_>, Num<'_>)>>| -> Result<Option<Fixed>, Unfit> {
        rates.as_ref().and_then(|rates| rates.first()).map(|(_, percent)| share(percent)).transpose()
    };
    Ok(Some(Instrument {
        aliases,
        tick: Price(count(terms.tick_size.as_ref(), scales.0)?.unwrap_or(1)),
        step: Qty(1),
        min_qty: count(terms.ordermin.as_ref(), scales.1)?.map(Qty),
        min_notional: terms.costmin.as_ref().map(Num::parse_fixed).transpose()?,
        taker_fee: rate(&terms.fees)?,
        maker_fee: rate(&terms.fees_maker)?.or(rate(&terms.fees)?),
        status: terms.status.as_ref().map_or(Status::Trading, |word| status(word)),
        ..spot_terms(&name, base, quote, scales)?
    }))
}

/// Reads a pair of the `instrument` channel.
pub(crate) fn listed(terms: &spot::Pair<'_>) -> Result<Instrument, Unfit> {
    let scales = (scale(terms.price_precision)?, scale(terms.qty_precision)?);
    let (base, quote) = (alternative(&terms.base), alternative(&terms.quote));
    Ok(Instrument {
        aliases: vec![format!("{base}{quote}"), format!("{base}/{quote}")],
        tick: Price(count(terms.price_increment.as_ref(), scales.0)?.unwrap_or(1)),
        step: Qty(count(terms.qty_increment.as_ref(), scales.1)?.unwrap_or(1)),
        min_qty: count(terms.qty_min.as_ref(), scales.1)?.map(Qty),
        min_notional: terms.cost_min.as_ref().map(Num::parse_fixed).transpose()?,
        status: status(&terms.status),
        ..spot_terms(&terms.symbol, &terms.base, &terms.quote, scales)?
    })
}

fn spot_terms(
    name: &str,
    base: &str,
    quote: &str,
    (price_scale, qty_scale): (Scale, Scale),
) -> Result<Instrument, Unfit> {
    let symbol = Symbol::spot(&asset(base), &asset(quote)).map_err(Unfit::shape)?;
    Ok(Instrument { price_scale, qty_scale, ..bare_terms(name, symbol, false) })
}

/// A status that we do not know is no licence to trade.
fn status(word: &str) -> Status {
    match word {
        "online" | "post_only" | "limit_only" => Status::Trading,
        "delisted" => Status::Delisted,
        _ => Status::Halted,
    }
}

fn scale(places: u64) -> Result<Scale, Unfit> {
    let scale = u8::try_from(places).ok().and_then(Scale::new);
    scale.ok_or_else(|| Unfit::shape(format!("{places} decimals")))
}

fn count(num: Option<&Num<'_>>, scale: Scale) -> Result<Option<i64>, Unfit> {
    Ok(num.map(|num| num.parse_scaled(scale)).transpose()?)
}

/// A percentage as a share.
pub(crate) fn share(percent: &Num<'_>) -> Result<Fixed, Unfit> {
    let Fixed { mantissa, scale } = percent.parse_fixed()?;
    let scale = Scale::new(scale.digits() + 2).ok_or_else(|| Unfit::shape("a fee of too many digits"))?;
    Ok(Fixed { mantissa, scale })
}

/// What the name of a contract says.
struct Contract<'a> {
    pair: &'a str,
    expiry: Option<&'a str>,
    is_inverse: bool,
}

impl<'a> Contract<'a> {
    /// Nothing for indices, which nobody trades.
    fn of(name: &'a str) -> Option<Contract<'a>> {
        let (prefix, rest) = name.split_once('_')?;
        let is_dated = match prefix {
            "PF" | "PI" | "PV" => false,
            "FF" | "FI" | "FV" => true,
            _ => return None,
        };
        let (pair, expiry) = match rest.split_once('_') {
            Some((pair, expiry)) if is_dated => (pair, Some(expiry)),
            None if !is_dated => (rest, None),
            _ => return None,
        };
        Some(Contract { pair, expiry, is_inverse: prefix.ends_with('I') })
    }

    fn symbol(&self, base: Option<&str>, quote: Option<&str>, is_inverse: bool) -> Option<Symbol> {
        let (base, quote) = match (base, quote) {
            (Some(base), Some(quote)) => (base, quote),
            _ => split_pair(self.pair, &["USD", "USDT", "EUR", "XBT"])?,
        };
        let (base, quote) = (asset(base), asset(quote));
        let settle = if is_inverse { &base } else { &quote };
        match self.expiry {
            Some(expiry) => Symbol::future(&base, &quote, settle, expiry).ok(),
            None => Symbol::perpetual(&base, &quote, settle).ok(),
        }
    }
}

/// Reads a product of `instruments`; nothing for what nobody trades.
pub(crate) fn product(terms: &futures::Instrument<'_>) -> Result<Option<Instrument>, Unfit> {
    let native = terms.symbol.as_str();
    // Older lists are in lower case where the feeds are not.
    let is_lower = native.bytes().all(|byte| !byte.is_ascii_uppercase());
    let name = if is_lower { native.to_ascii_uppercase() } else { native.to_owned() };
    let (Some(contract), Some(tick)) = (Contract::of(&name), &terms.tick_size) else { return Ok(None) };
    let inverse = terms.r#type == "futures_inverse";
    let symbol = contract.symbol(terms.base.as_deref(), terms.quote.as_deref(), inverse);
    let symbol = symbol.ok_or_else(|| Unfit::shape(format!("no pair in {name:?}")))?;
    let tick = tick.parse_fixed()?;
    let places = terms.contract_value_trade_precision.unwrap_or(0);
    let tens = u32::try_from(places.min(0).unsigned_abs()).ok();
    let step = tens.and_then(|tens| 10i64.checked_pow(tens));
    Ok(Some(Instrument {
        aliases: if is_lower { vec![native.to_owned()] } else { Vec::new() },
        kind: if contract.expiry.is_some() { Kind::Future } else { Kind::Perpetual },
        price_scale: tick.scale,
        qty_scale: scale(u64::try_from(places).unwrap_or(0))?,
        tick: Price(tick.mantissa),
        step: Qty(step.ok_or_else(|| Unfit::shape(format!("steps of {places} places")))?),
        contract_size: terms.contract_size.as_ref().map(Num::parse_fixed).transpose()?,
        status: if terms.tradeable { Status::Trading } else { Status::Halted },
        ..bare_terms(&name, symbol, inverse)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_have_their_usual_names() {
        let check = |native: &str, ours: &str| assert_eq!(asset(native), ours);
        check("XXBT", "BTC");
        check("xbt", "BTC");
        check("XBT.M", "BTC.M");
        check("ZUSD", "USD");
        check("USD.F", "USD.F");
        check("XDG", "DOGE");
        check("ETH2.S", "ETH2.S");
        for kept in ["XTZ", "ZRX", "XCN", "USDT", "DOT28.S"] {
            check(kept, kept);
        }
    }

    #[test]
    fn a_name_tells_what_a_contract_is() {
        let symbol = |name: &str| bare(crate::FUTURES, name).map(|terms| terms.symbol.to_string());
        assert_eq!(symbol("PF_XBTUSD").as_deref(), Some("BTC/USD:USD"));
        assert_eq!(symbol("PI_XBTUSD").as_deref(), Some("BTC/USD:BTC"));
        assert_eq!(symbol("FI_ETHUSD_211231").as_deref(), Some("ETH/USD:ETH-211231"));
        assert_eq!(symbol("FF_XBTUSD_250926").as_deref(), Some("BTC/USD:USD-250926"));
        assert_eq!(symbol("PF_AAPLxUSD").as_deref(), Some("AAPLX/USD:USD"));
        for none in ["IN_XBTUSD", "RR_XBTUSD", "PF_XBTUSD_250926", "FI_XBTUSD", "XBTUSD", ""] {
            assert_eq!(symbol(none), None, "{none}");
        }
    }

    #[test]
    fn a_pair_has_the_precision_of_its_text_and_every_name() {
        let terms = r#"{"altname":"XBTUSD","wsname":"XBT/USD","pair_decimals":1,"lot_decimals":8,"tick_size":"0.1",
            "ordermin":"0.00005","costmin":"0.5","status":"online","fees":[[0,0.4]],"fees_maker":[[0,0.25]]}"#;
        let terms: spot::AssetPair<'_> = venuekit_wire::parse(terms.as_bytes()).expect("terms");
        let pair = pair("XXBTZUSD", &terms).expect("readable").expect("a pair");
        assert_eq!((pair.venue_symbol.as_str(), pair.symbol.as_str()), ("BTC/USD", "BTC/USD"));
        assert_eq!(pair.aliases, ["XXBTZUSD", "XBTUSD", "XBT/USD"]);
        assert_eq!((pair.price_scale.digits(), pair.qty_scale.digits()), (1, 8));
        assert_eq!((pair.tick, pair.step, pair.min_qty), (Price(1), Qty(1), Some(Qty(5_000))));
        let told =
            [pair.min_notional, pair.taker_fee, pair.maker_fee].map(|fixed| fixed.map(|f| f.to_string()));
        assert_eq!(told.each_ref().map(Option::as_deref), [Some("0.5"), Some("0.004"), Some("0.0025")]);
    }

    #[test]
    fn a_product_may_step_by_tens_and_tick_by_an_exponent() {
        let terms = r#"{"symbol":"PF_PEPEUSD","type":"flexible_futures","tickSize":1e-10,"contractSize":1,
            "tradeable":true,"contractValueTradePrecision":-3,"base":"PEPE","quote":"USD"}"#;
        let terms: futures::Instrument<'_> = venuekit_wire::parse(terms.as_bytes()).expect("terms");
        let pepe = product(&terms).expect("readable").expect("a product");
        assert_eq!((pepe.price_scale.digits(), pepe.tick), (10, Price(1)));
        assert_eq!((pepe.qty_scale.digits(), pepe.step), (0, Qty(1_000)));
        assert_eq!((pepe.symbol.as_str(), pepe.inverse, pepe.kind), ("PEPE/USD:USD", false, Kind::Perpetual));
    }
}
