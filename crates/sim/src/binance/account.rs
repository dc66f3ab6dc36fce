//! What an account reads of itself over REST, orders and fills apart: wallets, movements, rights.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use venuekit_types::Kind;

use crate::binance::answers::{of_product, rows};
use crate::binance::events::{amount, field, flag};
use crate::binance::margin::{isolated_account, margin_account, margin_transfers};
use crate::binance::params::{Params, Refusal};
use crate::binance::rest::{Asked, Family};
use crate::binance::{Binance, Product};
use crate::keys::ApiKey;
use crate::market::Spec;
use crate::text::Text;
use crate::venue::Context;
use crate::wallets::{Account, Cash, Movement, MovementStatus, Transfer, Wallet, Way};
use crate::world::{Market, MoveDenied};

const QUARTER_MS: i64 = 90 * 86_400_000;
const HALF_YEAR_MS: i64 = 183 * 86_400_000;

/// A rate as the account shows it: in hundredths of a percent.
fn basis_points(rate: Decimal) -> i128 {
    (rate * Decimal::from(10_000)).to_i64().map_or(0, i128::from)
}

fn spot_account(text: &mut Text, account: &Account, spec: &Spec, may_trade: bool, omit_zero: bool) {
    let (maker, taker) = (spec.fee_rate(true), spec.fee_rate(false));
    text.s(r#"{"makerCommission":"#).int(basis_points(maker));
    text.s(r#","takerCommission":"#)
        .int(basis_points(taker))
        .s(r#","buyerCommission":0,"sellerCommission":0"#);
    text.s(r#","commissionRates":{"maker":""#).s(&amount(maker)).s(r#"","taker":""#).s(&amount(taker));
    text.s(r#"","buyer":"0.00000000","seller":"0.00000000"},"canTrade":"#).s(flag(may_trade));
    text.s(r#","canWithdraw":true,"canDeposit":true,"brokered":false,"requireSelfTradePrevention":false"#);
    let updated_ms = account.fills().next_back().map_or(0, |fill| fill.at_ms);
    text.s(r#","preventSor":false,"updateTime":"#).int(updated_ms).s(r#","accountType":"SPOT","balances":"#);
    let cells = account
        .cash()
        .filter(|(wallet, _, cash)| *wallet == Wallet::Spot && !(omit_zero && cash.total.is_zero()));
    rows(text, cells, |text, (_, asset, cash)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        field(text, "free", &amount(cash.free()));
        field(text, "locked", &amount(cash.locked));
        text.s("}");
    });
    text.s(r#","permissions":["SPOT"],"uid":"#).int(account.user).s("}");
}

fn commission(text: &mut Text, spec: &Spec) {
    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
    for (name, rates) in [
        ("standardCommission", [spec.fee_rate(true), spec.fee_rate(false)]),
        ("specialCommission", [Decimal::ZERO; 2]),
        ("taxCommission", [Decimal::ZERO; 2]),
    ] {
        text.s(",\"").s(name).s(r#"":{"maker":""#).s(&amount(rates[0])).s("\"");
        field(text, "taker", &amount(rates[1]));
        text.s(r#","buyer":"0.00000000","seller":"0.00000000"}"#);
    }
    text.s(r#","discount":{"enabledForAccount":false,"enabledForSymbol":false,"discountAsset":"BNB","discount":"0.00000000"}}"#);
}

/// The last price of an asset in dollars; one for those that are.
pub(super) fn dollars(markets: &[Market], asset: &str) -> Decimal {
    let market = markets.iter().find(|market| market.spec.kind == Kind::Spot && market.spec.base == asset);
    market.map_or(Decimal::ONE, |market| market.spec.price(market.last_price()))
}

/// What an amount is worth in bitcoin, to eight places.
pub(super) fn in_btc(markets: &[Market], asset: &str, value: Decimal) -> Decimal {
    let worth = value * dollars(markets, asset);
    worth.checked_div(dollars(markets, "BTC")).unwrap_or_default().round_dp(8)
}

/// What is on its way out of an asset.
fn withdrawing(account: &Account, asset: &str) -> Decimal {
    let own = account.movements().filter(|movement| {
        movement.way == Way::Withdrawal && movement.asset == asset && movement.status.is_under_way()
    });
    own.map(|movement| movement.amount + movement.fee).sum()
}

/// The assets of a wallet that hold something, or the one that is named.
fn wallet_assets(
    text: &mut Text,
    account: &Account,
    markets: &[Market],
    wallet: Wallet,
    params: &Params,
) -> Result<(), Refusal> {
    let only = params.text("asset");
    let valued = params.flag("needBtcValuation")?;
    let is_spot = wallet == Wallet::Spot;
    let on_its_way = |asset: &str| if is_spot { withdrawing(account, asset) } else { Decimal::ZERO };
    let cells = account.cash().filter(|(of, asset, cash)| {
        *of == wallet
            && only.is_none_or(|only| only == *asset)
            && !(cash.total.is_zero() && on_its_way(asset).is_zero())
    });
    rows(text, cells, |text, (_, asset, cash)| {
        text.s(r#"{"asset":""#).s(asset).s("\"");
        field(text, "free", &amount(cash.free()));
        field(text, "locked", &amount(cash.locked));
        field(text, "freeze", "0");
        field(text, "withdrawing", &amount(on_its_way(asset)));
        if is_spot {
            field(text, "ipoable", "0");
        }
        let worth = if valued { in_btc(markets, asset, cash.total) } else { Decimal::ZERO };
        field(text, "btcValuation", &amount(worth));
        text.s("}");
    });
    Ok(())
}

/// What each wallet is worth in bitcoin.
fn wallet_balances(text: &mut Text, account: &Account, markets: &[Market]) {
    let words = [
        ("Spot", "MAIN"),
        ("Funding", "FUNDING"),
        ("Cross Margin", "MARGIN"),
        ("Isolated Margin", "ISOLATEDMARGIN"),
        ("USDⓈ-M Futures", "UMFUTURE"),
    ];
    rows(text, words, |text, (name, wallet)| {
        let own = account.cash().filter(|cell| word(cell.0) == wallet);
        let worth: Decimal = own.map(|(_, asset, cash)| in_btc(markets, asset, net(&cash))).sum();
        text.s(r#"{"activate":true,"balance":""#).s(&amount(worth)).s(r#"","walletName":""#).s(name).s("\"}");
    });
}

/// What is left of an asset when what is owed is paid back.
pub(super) fn net(cash: &Cash) -> Decimal {
    cash.total - cash.borrowed - cash.interest
}

fn restrictions(text: &mut Text, key: &ApiKey) {
    let may = key.permissions;
    text.s(r#"{"ipRestrict":"#).s(flag(!key.addresses.is_empty())).s(r#","createTime":1698645219000"#);
    for (name, value) in [
        ("enableReading", may.read),
        ("enableWithdrawals", may.withdraw),
        ("enableInternalTransfer", may.withdraw),
        ("enableMargin", may.trade),
        ("enableFutures", may.trade),
        ("permitsUniversalTransfer", may.trade),
        ("enableVanillaOptions", false),
        ("enableFixApiTrade", false),
        ("enableFixReadOnly", false),
        ("enableSpotAndMarginTrading", may.trade),
        ("enablePortfolioMarginTrading", false),
    ] {
        text.s(",\"").s(name).s("\":").s(flag(value));
    }
    text.s("}");
}

/// An instant as the wallet writes it: `YYYY-MM-DD HH:MM:SS` in UTC.
fn stamp(ms: i64) -> String {
    let mut text = Text::new();
    text.iso(ms);
    let iso = text.into_string();
    format!("{} {}", &iso[..10], &iso[11..19])
}

/// The newest movements of a way within the span that is asked about.
fn movements<'a>(
    account: &'a Account,
    way: Way,
    params: &Params,
    at_ms: i64,
) -> Result<Vec<&'a Movement>, Refusal> {
    let span = params.span(QUARTER_MS)?;
    let coin = params.text("coin");
    let offset = params.integer("offset")?.unwrap_or(0);
    let offset = usize::try_from(offset).map_err(|_| Refusal::invalid("offset"))?;
    let limit = params.limit(1_000, 1_000)?;
    // Unasked it tells of the last ninety days.
    let from_ms = if span.from_ms == i64::MIN {
        span.to_ms.min(at_ms).saturating_sub(QUARTER_MS)
    } else {
        span.from_ms
    };
    let mut own: Vec<&Movement> = account
        .movements()
        .filter(|movement| movement.way == way && coin.is_none_or(|coin| coin == movement.asset))
        .filter(|movement| (from_ms..=span.to_ms).contains(&movement.at_ms))
        .collect();
    own.sort_by_key(|movement| std::cmp::Reverse((movement.at_ms, movement.id)));
    Ok(own.into_iter().skip(offset).take(limit).collect())
}

/// The transaction on the chain, once there is one.
fn transaction(movement: &Movement) -> &str {
    match movement.status {
        MovementStatus::Pending | MovementStatus::Cancelled => "",
        _ => &movement.tx_id,
    }
}

fn deposit(text: &mut Text, movement: &Movement) {
    let (status, confirmations) = match movement.status {
        MovementStatus::Pending => (0, "0/1"),
        MovementStatus::Confirming => (8, "0/1"),
        MovementStatus::Completed => (1, "1/1"),
        MovementStatus::Failed | MovementStatus::Cancelled => (2, "0/1"),
    };
    text.s(r#"{"id":""#).int(movement.id).s("\"");
    field(text, "amount", &movement.amount.normalize().to_string());
    field(text, "coin", movement.asset);
    field(text, "network", movement.network);
    text.s(r#","status":"#).int(status);
    field(text, "address", &movement.address);
    field(text, "addressTag", "");
    field(text, "txId", transaction(movement));
    text.s(r#","insertTime":"#).int(movement.at_ms);
    if let Some(ms) = movement.completed_ms() {
        text.s(r#","completeTime":"#).int(ms);
    }
    text.s(r#","transferType":0"#);
    field(text, "confirmTimes", confirmations);
    text.s(r#","unlockConfirm":0,"walletType":0}"#);
}

fn withdrawal(text: &mut Text, movement: &Movement) {
    let status = match movement.status {
        MovementStatus::Pending => 2,
        MovementStatus::Confirming => 4,
        MovementStatus::Completed => 6,
        MovementStatus::Failed => 3,
        MovementStatus::Cancelled => 1,
    };
    text.s(r#"{"id":""#).s(&format!("{:032x}", movement.id)).s("\"");
    field(text, "amount", &movement.amount.normalize().to_string());
    field(text, "transactionFee", &movement.fee.normalize().to_string());
    field(text, "coin", movement.asset);
    text.s(r#","status":"#).int(status);
    field(text, "address", &movement.address);
    field(text, "txId", transaction(movement));
    field(text, "applyTime", &stamp(movement.at_ms));
    field(text, "network", movement.network);
    text.s(r#","transferType":0,"info":"","confirmNo":"#)
        .int(u32::from(status == 6))
        .s(r#","walletType":0,"txKey":"""#);
    if let Some(ms) = movement.completed_ms() {
        field(text, "completeTime", &stamp(ms));
    }
    text.s("}");
}

/// The word of a wallet in the types of transfers.
fn word(wallet: Wallet) -> &'static str {
    match wallet {
        Wallet::Spot => "MAIN",
        Wallet::Margin => "MARGIN",
        Wallet::Futures => "UMFUTURE",
        Wallet::Funding => "FUNDING",
        Wallet::Isolated(_) => "ISOLATEDMARGIN",
    }
}

impl Binance {
    /// What an account reads of itself, or moves; false for a route that is none of these.
    pub(super) fn account_answer(
        &mut self,
        cx: &mut Context<'_>,
        asked: &Asked<'_>,
        key: Option<&ApiKey>,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        let params = asked.params;
        match asked.family {
            Family::Fapi if asked.path == "listenKey" => {
                let maker = key.ok_or_else(Refusal::key)?.credentials.key.clone();
                self.listen_key(cx, asked.method, &maker, text)?;
                Ok(true)
            }
            Family::Fapi if asked.method == "GET" => {
                self.futures_account_answer(cx, asked.path, params, text)
            }
            Family::Api if asked.method == "GET" => {
                self.spot_account_answer(cx, asked.path, params, key, text)
            }
            Family::Sapi => self.wallet_answer(cx, (asked.method, asked.path), params, key, text),
            Family::Fapi | Family::Api => Ok(false),
        }
    }

    fn spot_account_answer(
        &self,
        cx: &Context<'_>,
        path: &str,
        params: &Params,
        key: Option<&ApiKey>,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        match path {
            "account" => {
                let spec = of_product(cx, Product::Spot).first().map(|market| market.spec);
                let may_trade = key.is_some_and(|key| key.permissions.trade);
                let spec = spec.ok_or_else(Refusal::symbol)?;
                spot_account(text, self.account(cx)?, spec, may_trade, params.flag("omitZeroBalances")?);
            }
            "account/commission" => commission(text, self.market(cx, Product::Spot, params)?.1.spec),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn wallet_answer(
        &mut self,
        cx: &mut Context<'_>,
        route: (&str, &str),
        params: &Params,
        key: Option<&ApiKey>,
        text: &mut Text,
    ) -> Result<bool, Refusal> {
        match route {
            ("POST", "asset/transfer") => {
                self.transfer(cx, params, text)?;
                return Ok(true);
            }
            ("POST", "userListenToken") => {
                let maker = key.ok_or_else(Refusal::key)?.credentials.key.clone();
                self.listen_token(cx, &maker, params, text)?;
                return Ok(true);
            }
            _ => {}
        }
        let (account, markets) = (self.account(cx)?, cx.world.markets());
        let at_ms = cx.world.wall_ms(cx.now.mono);
        match route.1 {
            "account/apiRestrictions" => restrictions(text, key.ok_or_else(Refusal::key)?),
            "asset/getUserAsset" => wallet_assets(text, account, markets, Wallet::Spot, params)?,
            "asset/get-funding-asset" => wallet_assets(text, account, markets, Wallet::Funding, params)?,
            "asset/wallet/balance" => wallet_balances(text, account, markets),
            "asset/tradeFee" => {
                let only =
                    params.text("symbol").map(|_| self.market(cx, Product::Spot, params)).transpose()?;
                let only = only.map(|(_, market)| market.spec.native);
                let own = of_product(cx, Product::Spot).into_iter().map(|market| market.spec);
                rows(text, own.filter(|spec| only.is_none_or(|only| only == spec.native)), |text, spec| {
                    text.s(r#"{"symbol":""#).s(spec.native).s("\"");
                    field(text, "makerCommission", spec.maker_fee);
                    field(text, "takerCommission", spec.taker_fee);
                    text.s("}");
                });
            }
            "asset/transfer" => self.transfer_rows(cx, params, text)?,
            "margin/transfer" => margin_transfers(text, account, params, at_ms)?,
            "capital/deposit/hisrec" => {
                let own = movements(account, Way::Deposit, params, at_ms)?;
                rows(text, own, deposit);
            }
            "capital/withdraw/history" => {
                let own = movements(account, Way::Withdrawal, params, at_ms)?;
                rows(text, own, withdrawal);
            }
            "margin/account" => margin_account(text, account, markets),
            "margin/isolated/account" => isolated_account(text, account, markets, params)?,
            "margin/allPairs" | "margin/isolated/allPairs" => {
                let has_id = route.1 == "margin/allPairs";
                rows(text, of_product(cx, Product::Spot).into_iter().enumerate(), |text, (at, market)| {
                    let spec = market.spec;
                    text.s(r#"{"base":""#).s(spec.base).s("\"");
                    if has_id {
                        text.s(r#","id":"#).int(at as u64 + 1);
                    }
                    text.s(r#","isBuyAllowed":true,"isMarginTrade":true,"isSellAllowed":true"#);
                    field(text, "quote", spec.quote);
                    field(text, "symbol", spec.native);
                    text.s("}");
                });
            }
            "copyTrading/futures/userStatus" => {
                text.s(r#"{"code":"000000","message":"success","data":{"isLeadTrader":false,"time":"#)
                    .int(at_ms);
                text.s(r#"},"success":true}"#);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The wallets that a type of transfers names, the isolated ones by the symbols beside it.
    fn ways(&self, cx: &Context<'_>, params: &Params) -> Result<(Wallet, Wallet), Refusal> {
        let of = |word: &str, symbol: &str| match word {
            "MAIN" => Ok(Wallet::Spot),
            "MARGIN" => Ok(Wallet::Margin),
            "UMFUTURE" => Ok(Wallet::Futures),
            "FUNDING" => Ok(Wallet::Funding),
            "ISOLATEDMARGIN" => {
                let name = params.need(symbol)?;
                let spot =
                    of_product(cx, Product::Spot).into_iter().find(|market| market.spec.native == name);
                Ok(Wallet::Isolated(spot.ok_or_else(Refusal::symbol)?.spec.native))
            }
            _ => Err(Refusal::invalid("type")),
        };
        let (from, to) = params.need("type")?.split_once('_').ok_or_else(|| Refusal::invalid("type"))?;
        Ok((of(from, "fromSymbol")?, of(to, "toSymbol")?))
    }

    fn transfer(&mut self, cx: &mut Context<'_>, params: &Params, text: &mut Text) -> Result<(), Refusal> {
        let (from, to) = self.ways(cx, params)?;
        let (name, sum) = (params.need("asset")?, params.decimal("amount")?);
        let sum = sum.ok_or_else(|| Refusal::missing("amount"))?;
        let asset = self.account(cx)?.cash().map(|cell| cell.1).find(|asset| *asset == name);
        let asset = asset.ok_or_else(|| Refusal::invalid("asset"))?;
        let at_ms = cx.world.wall_ms(cx.now.mono);
        let id =
            cx.world.transfer(self.user.owner, (asset, sum), from, to, at_ms).map_err(
                |denied| match denied {
                    MoveDenied::BadAmount => Refusal::invalid("amount"),
                    _ => Refusal::new(-5013, "Asset transfer failed: insufficient balance"),
                },
            )?;
        self.tell_account(cx);
        text.s(r#"{"tranId":"#).int(id).s("}");
        Ok(())
    }

    /// A page of the transfers of one type, newest first.
    fn transfer_rows(&self, cx: &Context<'_>, params: &Params, text: &mut Text) -> Result<(), Refusal> {
        let ways = self.ways(cx, params)?;
        let span = params.span(HALF_YEAR_MS)?;
        let mut own: Vec<&Transfer> = self
            .account(cx)?
            .transfers()
            .filter(|one| (one.from, one.to) == ways && (span.from_ms..=span.to_ms).contains(&one.at_ms))
            .collect();
        own.sort_by_key(|one| std::cmp::Reverse((one.at_ms, one.id)));
        text.s(r#"{"total":"#).int(own.len() as u64).s(r#","rows":"#);
        let page = params.numbered(own, "size", 10, 100)?;
        rows(text, page, |text, one| {
            text.s(r#"{"asset":""#).s(one.asset).s("\"");
            field(text, "amount", &one.amount.normalize().to_string());
            text.s(r#","type":""#).s(word(one.from)).s("_").s(word(one.to)).s("\"");
            text.s(r#","status":"CONFIRMED","tranId":"#)
                .int(one.id)
                .s(r#","timestamp":"#)
                .int(one.at_ms)
                .s("}");
        });
        text.s("}");
        Ok(())
    }
}
