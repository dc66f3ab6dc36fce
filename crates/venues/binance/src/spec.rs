//! What Binance is, as data: one [`Spec`] for spot, one for USD-M futures, and one for each other way to trade the same
//! markets: on cross margin, on isolated margin, and with orders that wait for a trigger at USD-M.
//!
//! Spot and USD-M share their names of markets, and no message says which it belongs to. They live at hosts of their
//! own, so the socket decides.

use core::time::Duration;

use venuekit_book::{ChainFirst, Checksum, Early, Linkage};
use venuekit_venue::spec::{
    Ack, BookSpec, Budget, BudgetKey, ChannelSpec, ClientId, ClockSource, DeadMan, Draws, FrameCodec,
    Heartbeat, Hosts, KeyPlace, Login, Nonce, NumberForm, Numbers, OrderAck, OrderSpec, Paging, PagingSpec,
    PrivateModel, PrivateSpec, Rate, Refusal, Renew, Resync, RowIds, SignScheme, SnapshotSource,
    SocketLimits, SocketSpec, Spec, SubscribeSpec, Window,
};
use venuekit_venue::{AskKind, Channel, Interval, OrderType, TriggerBy, Wallet};

/// The index of the spot product, which reads the margin wallets too.
pub const SPOT: usize = 0;
/// The index of the USD-M product.
pub const USDM: usize = 1;
/// The index of spot's markets on cross margin.
pub const MARGIN: usize = 2;
/// The index of spot's markets on isolated margin.
pub const ISOLATED: usize = 3;
/// The index of USD-M's orders that wait for a trigger, which have routes and ids of their own.
pub const ALGO: usize = 4;

/// Whether a product is one of USD-M's.
pub(crate) const fn is_usdm(product: usize) -> bool {
    matches!(product, USDM | ALGO)
}

/// Candles of any interval; specs compare kinds alone.
const CANDLES: Channel = Channel::Candles(Interval::M1);

/// The name of the origin of the WebSocket API.
const WS_API: &str = "ws-api";

/// Rows on one page of a history, at most.
pub(crate) const PAGE: u32 = 1000;
/// The same, of orders on margin.
pub(crate) const MARGIN_PAGE: u32 = 500;

/// Names under which no secret of the venue stands, in lower case: words of user streams, of orders and of balances.
pub(crate) const PUBLIC_WORDS: [&str; 96] = [
    "subscriptionid",
    "event",
    "stream",
    "u",
    "pu",
    "c",
    "o",
    "q",
    "p",
    "g",
    "x",
    "r",
    "i",
    "z",
    "n",
    "t",
    "m",
    "y",
    "v",
    "d",
    "wb",
    "cw",
    "bc",
    "ps",
    "bep",
    "cr",
    "mt",
    "iw",
    "ap",
    "sp",
    "rp",
    "ot",
    "wt",
    "k",
    "h",
    "origclientorderid",
    "newclientorderid",
    "neworderresptype",
    "orderlistid",
    "cummulativequoteqty",
    "cumquote",
    "cumqty",
    "origtype",
    "positionside",
    "isisolated",
    "transacttime",
    "fills",
    "commission",
    "commissionasset",
    "tradeid",
    "isbuyer",
    "maker",
    "isbuyermaker",
    "isbestmatch",
    "balances",
    "cantrade",
    "userassets",
    "baseasset",
    "quoteasset",
    "borrowed",
    "interest",
    "netasset",
    "assets",
    "walletbalance",
    "unrealizedprofit",
    "positioninitialmargin",
    "openorderinitialmargin",
    "availablebalance",
    "positionamt",
    "isolatedmargin",
    "notional",
    "marginasset",
    "maintmargin",
    "feetier",
    "makercommission",
    "takercommission",
    "lastupdateid",
    "servertime",
    "symbols",
    "filters",
    "omitzerobalances",
    "showpermissionsets",
    "countdowntime",
    "selftradepreventionmode",
    "workingtime",
    "isworking",
    "closeposition",
    "pricematch",
    "workingtype",
    "goodtilldate",
    "priceprotect",
    "x-mbx-used-weight",
    "x-mbx-used-weight-1m",
    "x-mbx-order-count-10s",
    "x-mbx-order-count-1m",
    "x-mbx-order-count-1d",
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// One spec for each product.
pub(crate) fn specs() -> [Spec; 5] {
    [spot(), usdm(), margin("margin", Wallet::Margin), margin("isolated", Wallet::Isolated), algo()]
}

fn spot() -> Spec {
    let hosts = [
        ("live", "https://api.binance.com", "wss://stream.binance.com:9443", "wss://ws-api.binance.com:443"),
        (
            "demo",
            "https://demo-api.binance.com",
            "wss://demo-stream.binance.com",
            "wss://demo-ws-api.binance.com",
        ),
        (
            "testnet",
            "https://testnet.binance.vision",
            "wss://stream.testnet.binance.vision",
            "wss://ws-api.testnet.binance.vision",
        ),
    ];
    let beats = Heartbeat::ServerPing { every: 20 * SECOND, within: MINUTE };
    let public = vec![Channel::Book, Channel::Trades, Channel::Ticker, CANDLES];
    let private = vec![Channel::Orders, Channel::Fills, Channel::Balances];
    // Five messages a second count pongs too, so that one is left for those.
    let limits = limits(4);
    let socket = |origin, path: &str, carries, login| SocketSpec {
        origin,
        path: path.to_owned(),
        carries,
        login,
        codec: FrameCodec::Json,
        heartbeats: vec![beats],
        limits: limits.clone(),
    };
    Spec {
        product: "spot".to_owned(),
        hosts: hosts
            .map(|(environment, rest, stream, api)| Hosts {
                environment: environment.to_owned(),
                rest: rest.to_owned(),
                stream: stream.to_owned(),
                others: Vec::new(),
                streams: vec![(WS_API, api.to_owned())],
            })
            .into(),
        sockets: vec![
            socket(None, "/ws", public, Login::None),
            socket(Some(WS_API), "/ws-api/v3", private, Login::SignedFrame { auto_topics: true }),
        ],
        books: vec![book(Linkage::Range { overlap: false })],
        channels: vec![
            rows(Channel::Trades, "trade", RowIds::Contiguous, None),
            rows(CANDLES, "kline", RowIds::Opaque, Some(2 * SECOND)),
            whole(Channel::Ticker, "ticker", SECOND),
            rows(Channel::Orders, "executionReport", RowIds::Opaque, None),
            rows(Channel::Fills, "executionReport", RowIds::Opaque, None),
            rows(Channel::Balances, "outboundAccountPosition", RowIds::Opaque, None),
        ],
        budgets: vec![
            budget("spot_weight", Draws::Weight, MINUTE, 6000, "x-mbx-used-weight-1m"),
            budget("spot_orders_10s", Draws::Orders, 10 * SECOND, 50, "x-mbx-order-count-10s"),
            budget("spot_orders_1d", Draws::Orders, DAY, 160_000, "x-mbx-order-count-1d"),
        ],
        orders: Some(OrderSpec {
            types: OrderType::ALL.into(),
            reduce_only: false,
            dead_man: DeadMan::None,
            ..orders()
        }),
        private: PrivateSpec {
            balances: PrivateModel::Delta,
            positions: PrivateModel::None,
            orders: PrivateModel::Delta,
            fills: PrivateModel::Delta,
        },
        wallets: vec![Wallet::Spot, Wallet::Margin, Wallet::Isolated, Wallet::Funding],
        asks: asks(&[AskKind::Deposits, AskKind::Withdrawals]),
        paging: vec![
            paging(AskKind::OrderHistory, Paging::IdUp, PAGE, DAY),
            paging(AskKind::Fills, Paging::IdUp, PAGE, DAY),
            paging(AskKind::Deposits, Paging::Offset, PAGE, 90 * DAY),
            paging(AskKind::Withdrawals, Paging::Offset, PAGE, 90 * DAY),
            paging(AskKind::Transfers, Paging::Offset, 100, 30 * DAY),
        ],
        ..shared()
    }
}

fn usdm() -> Spec {
    let hosts = [
        ("live", "https://fapi.binance.com", "wss://fstream.binance.com"),
        ("demo", "https://demo-fapi.binance.com", "wss://demo-fstream.binance.com"),
        ("testnet", "https://testnet.binancefuture.com", "wss://fstream.binancefuture.com"),
    ];
    let beats = Heartbeat::ServerPing { every: 3 * MINUTE, within: 10 * MINUTE };
    let key = Login::ListenKey { place: KeyPlace::Path, every: 30 * MINUTE, life: 60 * MINUTE };
    let market = vec![Channel::Trades, Channel::Ticker, Channel::Mark, CANDLES];
    let private = vec![Channel::Orders, Channel::Fills, Channel::Balances, Channel::Positions];
    let limits = limits(9);
    // Each path carries streams of its own. What is asked for on the wrong one is acknowledged, and never delivers.
    let sockets = [
        ("/public/ws", vec![Channel::Book], Login::None),
        ("/market/ws", market, Login::None),
        ("/private/ws", private, key),
    ];
    Spec {
        product: "usdm".to_owned(),
        hosts: hosts
            .map(|(environment, rest, stream)| Hosts {
                environment: environment.to_owned(),
                rest: rest.to_owned(),
                stream: stream.to_owned(),
                others: Vec::new(),
                streams: Vec::new(),
            })
            .into(),
        sockets: sockets
            .map(|(path, carries, login)| SocketSpec {
                origin: None,
                path: path.to_owned(),
                carries,
                login,
                codec: FrameCodec::Json,
                heartbeats: vec![beats],
                limits: limits.clone(),
            })
            .into(),
        books: vec![book(Linkage::Chain { first: ChainFirst::Straddle })],
        channels: vec![
            rows(Channel::Trades, "aggTrade", RowIds::Contiguous, None),
            rows(CANDLES, "kline", RowIds::Opaque, Some(2 * SECOND)),
            whole(Channel::Ticker, "ticker", 2 * SECOND),
            whole(Channel::Mark, "markPrice@1s", SECOND),
            rows(Channel::Orders, "ORDER_TRADE_UPDATE", RowIds::Opaque, None),
            rows(Channel::Fills, "ORDER_TRADE_UPDATE", RowIds::Opaque, None),
            rows(Channel::Balances, "ACCOUNT_UPDATE", RowIds::Opaque, None),
            rows(Channel::Positions, "ACCOUNT_UPDATE", RowIds::Opaque, None),
        ],
        budgets: vec![
            budget("usdm_weight", Draws::Weight, MINUTE, 2400, "x-mbx-used-weight-1m"),
            budget("usdm_orders_10s", Draws::Orders, 10 * SECOND, 300, "x-mbx-order-count-10s"),
            budget("usdm_orders_1m", Draws::Orders, MINUTE, 1200, "x-mbx-order-count-1m"),
        ],
        orders: Some(OrderSpec {
            // Orders with a trigger live on routes and under ids of their own, where no other order is looked up.
            types: vec![OrderType::Limit, OrderType::Market],
            reduce_only: true,
            dead_man: DeadMan::Countdown,
            ..orders()
        }),
        private: PrivateSpec {
            balances: PrivateModel::Delta,
            positions: PrivateModel::Delta,
            orders: PrivateModel::Delta,
            fills: PrivateModel::Delta,
        },
        wallets: vec![Wallet::Futures],
        asks: asks(&[
            AskKind::Mark,
            AskKind::Positions,
            AskKind::OpenToken,
            AskKind::RenewToken,
            AskKind::Countdown,
        ]),
        paging: vec![
            paging(AskKind::OrderHistory, Paging::IdUp, PAGE, 7 * DAY),
            paging(AskKind::Fills, Paging::IdUp, PAGE, 7 * DAY),
            paging(AskKind::Transfers, Paging::Offset, PAGE, 90 * DAY),
        ],
        ..shared()
    }
}

/// Spot's markets, traded with what one of the margin wallets holds. Nothing is borrowed by an order.
///
/// The stream of the cross wallet is opened by a token; one for isolated wallets would tell of one pair alone, so those
/// are read by REST.
fn margin(product: &str, wallet: Wallet) -> Spec {
    use AskKind::{
        Balances, Cancel, CancelAll, Fills, Instruments, OpenOrders, OpenToken, Order, OrderHistory, Place,
        Time,
    };
    let spot = spot();
    let is_cross = wallet == Wallet::Margin;
    let none = PrivateSpec {
        balances: PrivateModel::Poll,
        positions: PrivateModel::None,
        orders: PrivateModel::Poll,
        fills: PrivateModel::Poll,
    };
    let stream = SocketSpec {
        login: Login::RestToken { life: DAY, renew: Renew::OnFault },
        // A token ends after a day, and what it opened with it: another connection takes over before.
        limits: SocketLimits { max_age: Some(23 * HOUR), ..limits(4) },
        ..spot.sockets[1].clone()
    };
    let mut asks =
        vec![Instruments, Time, Balances, OpenOrders, Order, OrderHistory, Fills, Place, Cancel, CancelAll];
    asks.extend(is_cross.then_some(OpenToken));
    Spec {
        product: product.to_owned(),
        markets_of: Some(spot.product),
        sockets: is_cross.then_some(stream).into_iter().collect(),
        books: Vec::new(),
        channels: spot.channels.into_iter().filter(|rule| is_cross && rule.channel.is_private()).collect(),
        private: if is_cross { spot.private } else { none },
        wallets: vec![wallet],
        asks,
        paging: vec![
            paging(OrderHistory, Paging::IdUp, MARGIN_PAGE, DAY),
            paging(Fills, Paging::IdUp, PAGE, DAY),
        ],
        ..spot
    }
}

/// USD-M's markets, traded by orders that wait for a trigger. Their lives end where those of ordinary orders begin.
fn algo() -> Spec {
    use AskKind::{
        Cancel, CancelAll, Instruments, OpenOrders, OpenToken, Order, OrderHistory, Place, RenewToken, Time,
    };
    let usdm = usdm();
    let stream = SocketSpec { carries: vec![Channel::Orders], ..usdm.sockets[2].clone() };
    Spec {
        product: "algo".to_owned(),
        markets_of: Some(usdm.product),
        sockets: vec![stream],
        books: Vec::new(),
        channels: vec![rows(Channel::Orders, "ALGO_UPDATE", RowIds::Opaque, None)],
        orders: Some(OrderSpec {
            types: vec![
                OrderType::StopMarket,
                OrderType::StopLimit,
                OrderType::TakeProfitMarket,
                OrderType::TakeProfitLimit,
            ],
            triggers: vec![TriggerBy::Last, TriggerBy::Mark],
            reduce_only: true,
            dead_man: DeadMan::None,
            ..orders()
        }),
        private: PrivateSpec {
            balances: PrivateModel::None,
            positions: PrivateModel::None,
            orders: PrivateModel::Delta,
            fills: PrivateModel::None,
        },
        wallets: Vec::new(),
        asks: vec![
            Instruments,
            Time,
            OpenOrders,
            Order,
            OrderHistory,
            OpenToken,
            RenewToken,
            Place,
            Cancel,
            CancelAll,
        ],
        paging: vec![paging(OrderHistory, Paging::TimeDown, PAGE, 7 * DAY)],
        ..usdm
    }
}

/// What all products have in common; what is empty here is each one's own.
fn shared() -> Spec {
    Spec {
        venue: "binance".to_owned(),
        product: String::new(),
        markets_of: None,
        hosts: Vec::new(),
        sockets: Vec::new(),
        subscribe: SubscribeSpec {
            batch: 200,
            one_at_a_time: false,
            one_channel: false,
            repeats: false,
            ack: Ack::PerRequest,
            // A name that no stream has is acknowledged like any other.
            refusals: vec![Refusal::Bound, Refusal::Silence],
            within: 10 * SECOND,
        },
        books: Vec::new(),
        channels: Vec::new(),
        clock: ClockSource::Route,
        future_limit: SECOND,
        window: 5 * SECOND,
        nonce: Nonce::ClockWindow,
        sign: SignScheme::QueryBody,
        budgets: Vec::new(),
        orders: None,
        private: PrivateSpec {
            balances: PrivateModel::None,
            positions: PrivateModel::None,
            orders: PrivateModel::None,
            fills: PrivateModel::None,
        },
        wallets: Vec::new(),
        asks: Vec::new(),
        paging: Vec::new(),
        numbers: Numbers { read: NumberForm::Text, write: NumberForm::Text },
    }
}

fn limits(messages_a_second: u32) -> SocketLimits {
    SocketLimits {
        max_age: Some(DAY),
        max_streams: 1024,
        client_messages: Some(Rate { count: messages_a_second, per: SECOND }),
        ..SocketLimits::default()
    }
}

/// The same levels a side, and nearly the same weights, at both products.
fn book(linkage: Linkage) -> BookSpec {
    BookSpec {
        name: "depth@100ms".to_owned(),
        linkage,
        checksum: Checksum::None,
        early: Early::Buffer,
        snapshot: SnapshotSource::Rest,
        resync: Resync::Refetch,
        depths: Vec::new(),
        trim: None,
        rest_depths: vec![100, 1000],
        usual_gap: SECOND,
    }
}

/// Rows add up, so a lost frame needs a cure.
fn rows(channel: Channel, name: &str, ids: RowIds, usual_gap: Option<Duration>) -> ChannelSpec {
    ChannelSpec {
        channel,
        name: name.to_owned(),
        linkage: Linkage::Unnumbered,
        snapshot: false,
        resync: Resync::Resubscribe,
        ids,
        usual_gap,
    }
}

/// Of these each frame is the whole, so the next one is the cure.
fn whole(channel: Channel, name: &str, usual_gap: Duration) -> ChannelSpec {
    ChannelSpec {
        linkage: Linkage::Replace,
        resync: Resync::Await,
        ..rows(channel, name, RowIds::Opaque, Some(usual_gap))
    }
}

fn budget(name: &str, draws: Draws, span: Duration, capacity: u32, header: &str) -> Budget {
    Budget {
        name: name.to_owned(),
        key: if draws == Draws::Weight { BudgetKey::Ip } else { BudgetKey::Account },
        window: Window::Fixed(span),
        capacity,
        draws,
        used_header: Some(header.to_owned()),
        limit_header: None,
        left_header: None,
    }
}

fn orders() -> OrderSpec {
    OrderSpec {
        ack: OrderAck::Result,
        client_id: ClientId::WhileOpen,
        client_id_max: 36,
        types: Vec::new(),
        triggers: Vec::new(),
        reduce_only: false,
        dead_man: DeadMan::None,
    }
}

fn asks(own: &[AskKind]) -> Vec<AskKind> {
    use AskKind::{
        Balances, Cancel, CancelAll, Candles, Depth, Fees, Fills, Instruments, OpenOrders, Order,
        OrderHistory, Permissions, Place, Ticker, Time, Trades, Transfers,
    };
    let mut asks = vec![Instruments, Time, Depth, Trades, Candles, Ticker, Permissions, Fees, Balances];
    asks.extend([OpenOrders, Order, OrderHistory, Fills, Transfers, Place, Cancel, CancelAll]);
    asks.extend(own);
    asks
}

fn paging(ask: AskKind, paging: Paging, page: u32, span: Duration) -> PagingSpec {
    PagingSpec { ask, paging, page, span: Some(span) }
}
