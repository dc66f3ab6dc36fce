//! What Kraken is, as data: two products, each with hosts, sockets, budgets and rules of its own.

use core::time::Duration;

use venuekit_book::{Checksum, Early, Linkage, StaleStep, StepFirst};
use venuekit_venue::spec::{
    Ack, BookSpec, Budget, BudgetKey, ChannelSpec, ClientId, ClockSource, DeadMan, Draws, FrameCodec,
    Heartbeat, Hosts, Login, Nonce, NumberForm, Numbers, OrderAck, OrderSpec, Paging, PagingSpec,
    PrivateModel, PrivateSpec, Proof, Refusal, Renew, Resync, RowIds, SignScheme, SnapshotSource,
    SocketLimits, SocketSpec, Spec, SubscribeSpec, Window,
};
use venuekit_venue::{AskKind, Channel, Interval, OrderType, TriggerBy, Wallet};

/// Index of the spot product.
pub const SPOT: usize = 0;
/// Index of the futures product.
pub const FUTURES: usize = 1;

/// The stream origin of spot's private channels.
const AUTH: &str = "auth";

/// Levels a side that the spot book is followed to: the most there is, and each level beyond is ours to cut.
pub(crate) const DEPTH: u32 = 1_000;

/// Rows of one page of spot's histories.
pub(crate) const PAGE: u32 = 50;

/// Names of fields and parameters that hold no secret, in lower case. Those that do are `token`, `api_key`,
/// `original_challenge`, `signed_challenge` and the headers of a signature.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 136] = [
    "req_id", "success", "depth", "snapshot", "event_trigger", "snap_orders", "snap_trades", "ratecounter",
    "time_in", "time_out", "checksum", "trade_id", "ord_type", "bid", "bid_qty", "ask", "ask_qty", "last",
    "volume", "vwap", "low", "high", "change", "change_pct", "open", "close", "trades", "interval_begin",
    "system", "version", "api_version", "connection_id", "warnings", "event", "feed", "product_ids",
    "product_id", "seq", "uid", "bid_size", "ask_size", "index", "premium", "volumequote", "openinterest",
    "funding_rate", "funding_rate_prediction", "relative_funding_rate", "relative_funding_rate_prediction",
    "next_funding_rate_time", "tag", "pair", "dtm", "maturitytime", "suspended", "post_only", "tradeable",
    "ticksize", "tick_size", "exec_type", "exec_id", "order_id", "cl_ord_id", "order_userref", "order_type",
    "order_qty", "limit_price", "cum_qty", "cum_cost", "avg_price", "last_qty", "last_price", "cost",
    "liquidity_ind", "fees", "fee_usd_equiv", "time_in_force", "reduce_only", "margin", "reason",
    "order_status", "asset_class", "wallets", "balance", "ledger_id", "ref_id", "subtype", "category",
    "wallet_type", "wallet_id", "amount", "orders", "order", "is_cancel", "last_update_time", "filled",
    "stop_price", "direction", "fills", "buy", "remaining_order_qty", "fill_id", "fill_type", "fee_paid",
    "fee_currency", "cli_ord_id", "positions", "pnl", "entry_price", "mark_price", "index_price",
    "liquidation_threshold", "effective_leverage", "servertime", "unixtime", "rfc1123", "ordertype",
    "price2", "oflags", "txid", "userref", "ofs", "count", "since", "asset", "lastfilltime", "limitprice",
    "stopprice", "cliordid", "cliordids", "orderids", "reduceonly", "triggersignal", "timeout", "deadline",
    "processbefore",
];

/// Bars there are: minutes to spot, words to futures.
pub(crate) const INTERVALS: [(Interval, u64, &str); 6] = [
    (Interval::M1, 1, "1m"),
    (Interval::M5, 5, "5m"),
    (Interval::M15, 15, "15m"),
    (Interval::H1, 60, "1h"),
    (Interval::H4, 240, "4h"),
    (Interval::D1, 1_440, "1d"),
];

/// The minutes of a bar.
pub(crate) fn minutes(interval: Interval) -> u64 {
    INTERVALS.iter().find(|(known, ..)| *known == interval).map_or(0, |(_, minutes, _)| *minutes)
}

/// The word for a bar.
pub(crate) fn word(interval: Interval) -> &'static str {
    INTERVALS.iter().find(|(known, ..)| *known == interval).map_or("", |(.., word)| word)
}

/// Every message of a counted channel is one more than the last; what came before is dropped.
const STEP: Linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Drop };

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn channel(channel: Channel, name: &str, linkage: Linkage, snapshot: bool) -> ChannelSpec {
    ChannelSpec {
        channel,
        name: name.to_owned(),
        linkage,
        snapshot,
        resync: Resync::Resubscribe,
        ids: RowIds::Opaque,
        // All of them may rightly stay silent.
        usual_gap: None,
    }
}

fn budget(name: &str, key: BudgetKey, window: Window, capacity: u32, draws: Draws) -> Budget {
    let name = name.to_owned();
    Budget { name, key, window, capacity, draws, used_header: None, limit_header: None, left_header: None }
}

fn paging(ask: AskKind, paging: Paging, page: u32) -> PagingSpec {
    PagingSpec { ask, paging, page, span: None }
}

pub(crate) fn spot() -> Spec {
    let socket = |origin, carries: Vec<Channel>, login| SocketSpec {
        origin,
        path: "/v2".to_owned(),
        carries,
        login,
        codec: FrameCodec::Json,
        // A beat each second once anything is subscribed; the documents give up after five, we after ten.
        heartbeats: vec![Heartbeat::Beat { every: s(1), stale: s(10), subscribe: false }],
        limits: SocketLimits::default(),
    };
    let public = vec![Channel::Book, Channel::Trades, Channel::Ticker, Channel::Candles(Interval::M1)];
    let private = vec![Channel::Orders, Channel::Fills, Channel::Balances];
    let token = Login::RestToken { life: s(900), renew: Renew::OnFault };
    Spec {
        venue: "kraken".to_owned(),
        product: "spot".to_owned(),
        markets_of: None,
        hosts: vec![Hosts {
            environment: "live".to_owned(),
            rest: "https://api.kraken.com".to_owned(),
            stream: "wss://ws.kraken.com".to_owned(),
            others: Vec::new(),
            streams: vec![(AUTH, "wss://ws-auth.kraken.com".to_owned())],
        }],
        sockets: vec![socket(None, public, Login::None), socket(Some(AUTH), private, token)],
        subscribe: SubscribeSpec {
            batch: 100,
            one_channel: true,
            one_at_a_time: false,
            repeats: false,
            ack: Ack::PerTopicById,
            refusals: vec![Refusal::Bound],
            within: s(10),
        },
        books: vec![BookSpec {
            name: "book".to_owned(),
            linkage: Linkage::Unnumbered,
            checksum: Checksum::Crc32Fixed { levels: 10 },
            early: Early::Discard,
            snapshot: SnapshotSource::Stream,
            resync: Resync::Resubscribe,
            depths: vec![10, 25, 100, 500, DEPTH],
            trim: Some(DEPTH),
            rest_depths: Vec::new(),
            usual_gap: s(1),
        }],
        channels: vec![
            channel(Channel::Trades, "trade", Linkage::Unnumbered, false),
            channel(Channel::Ticker, "ticker", Linkage::Unnumbered, false),
            channel(Channel::Candles(Interval::M1), "ohlc", Linkage::Unnumbered, false),
            // One channel of the venue's tells of both, so both are asked for in one breath.
            channel(Channel::Orders, "executions", STEP, true),
            channel(Channel::Fills, "executions", STEP, true),
            channel(Channel::Balances, "balances", Linkage::Unnumbered, false),
        ],
        clock: ClockSource::RouteSeconds,
        future_limit: s(60),
        window: s(60),
        nonce: Nonce::Rising,
        sign: SignScheme::PathHashNonceBody,
        budgets: vec![
            budget("counter", BudgetKey::ApiKey, Window::Bucket(s(45)), 15, Draws::Under("/0/private")),
            budget("public", BudgetKey::Ip, Window::Bucket(s(10)), 10, Draws::Under("/0/public")),
            budget("engine", BudgetKey::Pair, Window::Bucket(s(60)), 60, Draws::AgedOrders(&AGES)),
        ],
        orders: Some(OrderSpec {
            ack: OrderAck::Accepted,
            client_id: ClientId::WhileOpen,
            client_id_max: 36,
            types: OrderType::ALL.into(),
            triggers: vec![TriggerBy::Last, TriggerBy::Index],
            reduce_only: true,
            dead_man: DeadMan::Countdown,
        }),
        private: PrivateSpec {
            balances: PrivateModel::Delta,
            positions: PrivateModel::Poll,
            orders: PrivateModel::SnapshotDelta { numbered: true },
            fills: PrivateModel::SnapshotDelta { numbered: true },
        },
        wallets: vec![Wallet::Spot, Wallet::Margin],
        asks: spot_asks(),
        paging: vec![
            paging(AskKind::ClosedOrders, Paging::Offset, PAGE),
            paging(AskKind::OrderHistory, Paging::Offset, PAGE),
            paging(AskKind::Fills, Paging::Offset, PAGE),
            paging(AskKind::Transfers, Paging::Offset, PAGE),
        ],
        numbers: Numbers { read: NumberForm::Either, write: NumberForm::Text },
    }
}

/// What a cancel costs by the age of its order, youngest first; an order older than all costs nothing.
static AGES: [(Duration, u32); 6] = [(s(5), 8), (s(10), 6), (s(15), 5), (s(45), 4), (s(90), 2), (s(300), 1)];

fn spot_asks() -> Vec<AskKind> {
    use AskKind::{
        Balances, Cancel, CancelAll, Candles, ClosedOrder, ClosedOrders, Countdown, Deposits, Depth, Fees,
        Fills, Instruments, OpenOrders, OpenToken, Order, OrderHistory, Place, Positions, Ticker, Time,
        Trades, Transfers, Withdrawals,
    };
    let mut asks = vec![Instruments, Time, Depth, Trades, Candles, Ticker, Fees, Balances, Positions];
    asks.extend([
        OpenOrders,
        Order,
        ClosedOrder,
        ClosedOrders,
        OrderHistory,
        Fills,
        Deposits,
        Withdrawals,
        Transfers,
        OpenToken,
    ]);
    asks.extend([Place, Cancel, CancelAll, Countdown]);
    asks
}

/// The words of feeds, by channel.
pub(crate) const FEEDS: [(Channel, &str); 7] = [
    (Channel::Book, "book"),
    (Channel::Trades, "trade"),
    (Channel::Ticker, "ticker"),
    (Channel::Orders, "open_orders"),
    (Channel::Positions, "open_positions"),
    (Channel::Balances, "balances"),
    (Channel::Fills, "fills"),
];

pub(crate) fn futures() -> Spec {
    let hosts = |environment: &str, part: &str| Hosts {
        environment: environment.to_owned(),
        rest: format!("https://{part}futures.kraken.com"),
        stream: format!("wss://{part}futures.kraken.com"),
        others: Vec::new(),
        streams: Vec::new(),
    };
    Spec {
        venue: "kraken".to_owned(),
        product: "futures".to_owned(),
        markets_of: None,
        hosts: vec![hosts("live", ""), hosts("testnet", "demo-")],
        sockets: vec![SocketSpec {
            origin: None,
            path: "/ws/v1".to_owned(),
            carries: FEEDS.map(|(channel, _)| channel).into(),
            login: Login::Challenge { proof: Proof::EachSubscribe },
            codec: FrameCodec::Json,
            // A minute without a ping ends the connection.
            heartbeats: vec![Heartbeat::ClientPing { every: s(20), within: s(10) }],
            limits: SocketLimits::default(),
        }],
        subscribe: SubscribeSpec {
            batch: 50,
            one_channel: true,
            // Answers name no request, and refusals name nothing at all.
            one_at_a_time: true,
            repeats: false,
            ack: Ack::Echo,
            refusals: vec![Refusal::Unbound],
            within: s(10),
        },
        books: vec![BookSpec {
            name: "book".to_owned(),
            linkage: STEP,
            checksum: Checksum::None,
            early: Early::Buffer,
            snapshot: SnapshotSource::Stream,
            resync: Resync::Resubscribe,
            depths: Vec::new(),
            trim: None,
            rest_depths: Vec::new(),
            usual_gap: s(1),
        }],
        channels: FEEDS[1..]
            .iter()
            .map(|&(kind, name)| channel(kind, name, Linkage::Unnumbered, false))
            .collect(),
        clock: ClockSource::Route,
        future_limit: s(60),
        window: s(60),
        nonce: Nonce::LooseRising,
        sign: SignScheme::HashBodyNoncePath,
        budgets: vec![
            budget(
                "derivatives",
                BudgetKey::Account,
                Window::Bucket(s(10)),
                500,
                Draws::Under("/derivatives"),
            ),
            budget("history", BudgetKey::Account, Window::Bucket(s(600)), 100, Draws::Under("/api/history")),
        ],
        orders: Some(OrderSpec {
            ack: OrderAck::Result,
            client_id: ClientId::Unique,
            client_id_max: 100,
            types: OrderType::ALL.into(),
            triggers: vec![TriggerBy::Last, TriggerBy::Index, TriggerBy::Mark],
            reduce_only: true,
            dead_man: DeadMan::Countdown,
        }),
        private: PrivateSpec {
            balances: PrivateModel::Delta,
            positions: PrivateModel::Delta,
            orders: PrivateModel::Delta,
            fills: PrivateModel::Delta,
        },
        wallets: vec![Wallet::Futures, Wallet::Isolated, Wallet::Funding],
        asks: futures_asks(),
        paging: vec![
            paging(AskKind::OrderHistory, Paging::Cursor, 100),
            paging(AskKind::Fills, Paging::TimeDown, 100),
        ],
        numbers: Numbers { read: NumberForm::Token, write: NumberForm::Token },
    }
}

fn futures_asks() -> Vec<AskKind> {
    use AskKind::{
        Balances, Cancel, CancelAll, Candles, Countdown, Depth, Fees, Fills, Instruments, OpenOrders, Order,
        OrderHistory, Place, Positions, SetLeverage, Ticker, Time, Trades, Transfers,
    };
    let mut asks = vec![Instruments, Time, Depth, Trades, Candles, Ticker, Fees, Balances, Positions];
    asks.extend([OpenOrders, Order, OrderHistory, Fills, Transfers]);
    asks.extend([Place, Cancel, CancelAll, Countdown, SetLeverage]);
    asks
}
