//! Margin accounts: what they hold and owe, and what moved into them and out of them.

use rust_decimal::Decimal;
use venuekit_types::Kind;

use crate::binance::account::{dollars, in_btc, net};
use crate::binance::answers::rows;
use crate::binance::events::{amount, field};
use crate::binance::params::{Params, Refusal};
use crate::market::Spec;
use crate::text::Text;
use crate::wallets::{Account, Cash, Transfer, Wallet};
use crate::world::Market;

const WEEK_MS: i64 = 7 * 86_400_000;
const MONTH_MS: i64 = 30 * 86_400_000;
/// The margin level at which an isolated account is taken over.
const LIQUIDATION_LEVEL: Decimal = Decimal::from_parts(11, 0, 0, false, 1);
/// Isolated accounts that one request may name.
const SYMBOLS_MAX: usize = 5;

/// What some cells hold over what they owe by the last prices: held, owed, and their ratio if anything is owed.
fn level<'a>(
    markets: &[Market],
    cells: impl Iterator<Item = (&'a str, Cash)>,
) -> (Decimal, Decimal, Option<Decimal>) {
    let (mut held, mut owed) = (Decimal::ZERO, Decimal::ZERO);
    for (asset, cash) in cells {
        held += cash.total * dollars(markets, asset);
        owed += (cash.borrowed + cash.interest) * dollars(markets, asset);
    }
    (held, owed, held.checked_div(owed).map(|level| level.round_dp(8)))
}

pub(super) fn margin_account(text: &mut Text, account: &Account, markets: &[Market]) {
    let cells = || account.cash().filter(|cell| cell.0 == Wallet::Margin);
    let (held, owed, ratio) = level(markets, cells().map(|(_, asset, cash)| (asset, cash)));
    let ratio = ratio.map_or("999.00000000".to_string(), amount);
    text.s(r#"{"created":true,"borrowEnabled":true,"marginLevel":""#).s(&ratio).s("\"");
    field(text, "collateralMarginLevel", &ratio);
    for (name, value) in
        [("totalAssetOfBtc", held), ("totalLiabilityOfBtc", owed), ("totalNetAssetOfBtc", held - owed)]
    {
        field(text, name, &amount(in_btc(markets, "USDT", value)));
    }
    text.s(r#","tradeEnabled":true,"transferInEnabled":true,"transferOutEnabled":true,"accountType":"MARGIN_1","userAssets":"#);
    rows(text, cells(), |text, (_, asset, cash)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        let fields = [cash.borrowed, cash.free(), cash.interest, cash.locked, net(&cash)];
        for (name, value) in ["borrowed", "free", "interest", "locked", "netAsset"].into_iter().zip(fields) {
            field(text, name, &amount(value));
        }
        text.s("}");
    });
    text.s("}");
}

fn isolated_asset(text: &mut Text, markets: &[Market], asset: &str, cash: &Cash) {
    text.s(r#"{"asset":""#).s(asset).s(r#"","borrowEnabled":true"#);
    for (name, value) in [
        ("borrowed", cash.borrowed),
        ("free", cash.free()),
        ("interest", cash.interest),
        ("locked", cash.locked),
        ("netAsset", net(cash)),
        ("netAssetOfBtc", in_btc(markets, asset, net(cash))),
    ] {
        field(text, name, &amount(value));
    }
    text.s(r#","repayEnabled":true"#);
    field(text, "totalAsset", &amount(cash.total));
    text.s("}");
}

/// Where an isolated account would be taken over; zero when no price does it.
fn isolated_liquidation(base: &Cash, quote: &Cash) -> Decimal {
    let owed = |cash: &Cash| (cash.borrowed + cash.interest) * LIQUIDATION_LEVEL;
    let price = (owed(quote) - quote.total).checked_div(base.total - owed(base));
    price.unwrap_or_default().max(Decimal::ZERO).round_dp(8)
}

pub(super) fn isolated_account(
    text: &mut Text,
    account: &Account,
    markets: &[Market],
    params: &Params,
) -> Result<(), Refusal> {
    let only: Option<Vec<&str>> = params.text("symbols").map(|text| text.split(',').collect());
    if only.as_ref().is_some_and(|symbols| symbols.len() > SYMBOLS_MAX) {
        return Err(Refusal::invalid("symbols"));
    }
    let has_account = |spec: &Spec| account.cash().any(|cell| cell.0 == Wallet::Isolated(spec.native));
    let is_meant = |spec: &Spec| only.as_ref().is_none_or(|symbols| symbols.contains(&spec.native));
    let spot = markets.iter().filter(|market| market.spec.kind == Kind::Spot);
    let own: Vec<&Market> = spot.filter(|market| has_account(market.spec) && is_meant(market.spec)).collect();
    let mut sums = (Decimal::ZERO, Decimal::ZERO);
    text.s(r#"{"assets":"#);
    rows(text, own, |text, market| {
        let spec = market.spec;
        let [base, quote] =
            [spec.base, spec.quote].map(|asset| account.cash_of(Wallet::Isolated(spec.native), asset));
        let (held, owed, ratio) = level(markets, [(spec.base, base), (spec.quote, quote)].into_iter());
        sums = (sums.0 + held, sums.1 + owed);
        text.s(r#"{"baseAsset":"#);
        isolated_asset(text, markets, spec.base, &base);
        text.s(r#","quoteAsset":"#);
        isolated_asset(text, markets, spec.quote, &quote);
        field(text, "symbol", spec.native);
        text.s(r#","isolatedCreated":true,"enabled":true"#);
        field(text, "marginLevel", &ratio.map_or("999.00000000".to_string(), amount));
        field(
            text,
            "marginLevelStatus",
            if ratio.is_none_or(|ratio| ratio > Decimal::TWO) { "EXCESSIVE" } else { "NORMAL" },
        );
        field(text, "marginRatio", "10.00000000");
        field(text, "indexPrice", &amount(spec.price(market.last_price())));
        field(text, "liquidatePrice", &amount(isolated_liquidation(&base, &quote)));
        field(text, "liquidateRate", &amount(LIQUIDATION_LEVEL));
        text.s(r#","tradeEnabled":true}"#);
    });
    if only.is_none() {
        for (name, value) in [
            ("totalAssetOfBtc", sums.0),
            ("totalLiabilityOfBtc", sums.1),
            ("totalNetAssetOfBtc", sums.0 - sums.1),
        ] {
            field(text, name, &amount(in_btc(markets, "USDT", value)));
        }
    }
    text.s("}");
    Ok(())
}

/// The word of a wallet in the histories of margin accounts, and the market that it is of.
fn margin_word(wallet: Wallet) -> (&'static str, Option<&'static str>) {
    match wallet {
        Wallet::Spot => ("SPOT", None),
        Wallet::Margin => ("CROSS_MARGIN", None),
        Wallet::Futures => ("FUTURES", None),
        Wallet::Funding => ("FUNDING", None),
        Wallet::Isolated(market) => ("ISOLATED_MARGIN", Some(market)),
    }
}

/// A page of the transfers into and out of margin wallets, newest first; unasked of the last week.
pub(super) fn margin_transfers(
    text: &mut Text,
    account: &Account,
    params: &Params,
    at_ms: i64,
) -> Result<(), Refusal> {
    let span = params.span(MONTH_MS)?;
    let from_ms =
        if span.from_ms == i64::MIN { span.to_ms.min(at_ms).saturating_sub(WEEK_MS) } else { span.from_ms };
    let (asset, only) = (params.text("asset"), params.text("isolatedSymbol"));
    let is_margin = |wallet| match wallet {
        Wallet::Margin => only.is_none(),
        Wallet::Isolated(market) => only.is_none_or(|only| only == market),
        _ => false,
    };
    let mut own: Vec<&Transfer> = account
        .transfers()
        .filter(|one| is_margin(one.from) || is_margin(one.to))
        .filter(|one| asset.is_none_or(|asset| asset == one.asset))
        .filter(|one| (from_ms..=span.to_ms).contains(&one.at_ms))
        .collect();
    own.sort_by_key(|one| std::cmp::Reverse((one.at_ms, one.id)));
    let total = own.len() as u64;
    text.s(r#"{"rows":"#);
    rows(text, params.numbered(own, "size", 10, 100)?, |text, one| {
        text.s(r#"{"amount":""#).s(&amount(one.amount)).s("\"");
        field(text, "asset", one.asset);
        text.s(r#","status":"CONFIRMED","timestamp":"#).int(one.at_ms).s(r#","txId":"#).int(one.id);
        field(text, "type", if is_margin(one.from) { "ROLL_OUT" } else { "ROLL_IN" });
        for (wallet, word, market) in [(one.from, "transFrom", "fromSymbol"), (one.to, "transTo", "toSymbol")]
        {
            let (name, own) = margin_word(wallet);
            field(text, word, name);
            if let Some(own) = own {
                field(text, market, own);
            }
        }
        text.s("}");
    });
    text.s(r#","total":"#).int(total).s("}");
    Ok(())
}
