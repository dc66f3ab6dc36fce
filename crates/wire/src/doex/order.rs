//! Orders and fills, the same over REST and in the user stream.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::{OrderStatus, OrderType, Side, TimeInForce};
use crate::text::null_as_empty;
use crate::{Millis, Num, Text};

/// An order.
///
/// Written by hand rather than derived, since the user stream writes the same fields amid others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order<'a> {
    /// Where.
    #[serde(borrow)]
    pub symbol: Text<'a>,
    /// The venue's id, unique per symbol and product.
    #[serde(deserialize_with = "crate::int::required")]
    pub order_id: u64,
    /// The client's own id; `""` when it gave none.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub client_order_id: Text<'a>,
    /// Which way.
    pub side: Side<'a>,
    /// What it is.
    pub r#type: OrderType<'a>,
    /// How long it stands.
    pub time_in_force: Option<TimeInForce<'a>>,
    /// Refused rather than filled at once.
    pub post_only: Option<bool>,
    /// Whether it may only reduce a position.
    pub reduce_only: Option<bool>,
    /// Of orders with a limit.
    #[serde(default, deserialize_with = "Num::optional")]
    pub price: Option<Num<'a>>,
    /// Of orders with a stop.
    #[serde(default, deserialize_with = "Num::optional")]
    pub stop_price: Option<Num<'a>>,
    /// How much was asked for.
    pub orig_qty: Num<'a>,
    /// How much was filled.
    pub executed_qty: Num<'a>,
    /// Average price of its fills.
    #[serde(default, deserialize_with = "Num::optional")]
    pub avg_price: Option<Num<'a>>,
    /// Where it is in its life.
    pub status: OrderStatus<'a>,
    /// Of all its fills; negative is a rebate.
    #[serde(default, deserialize_with = "Num::optional")]
    pub fee: Option<Num<'a>>,
    /// What the fee is counted in.
    pub fee_asset: Option<Text<'a>>,
    /// When it was accepted.
    pub time: Option<Millis>,
    /// When it last changed.
    pub update_time: Option<Millis>,
}

impl Order<'_> {
    /// Writes the fields in the venue's order; what is nothing is left out.
    pub(super) fn write<S: SerializeStruct>(&self, out: &mut S) -> Result<(), S::Error> {
        fn some<S: SerializeStruct, T: Serialize>(
            out: &mut S,
            name: &'static str,
            value: &Option<T>,
        ) -> Result<(), S::Error> {
            match value {
                Some(value) => out.serialize_field(name, value),
                None => out.skip_field(name),
            }
        }
        out.serialize_field("symbol", &self.symbol)?;
        out.serialize_field("orderId", &self.order_id)?;
        out.serialize_field("clientOrderId", &self.client_order_id)?;
        out.serialize_field("side", &self.side)?;
        out.serialize_field("type", &self.r#type)?;
        some(out, "timeInForce", &self.time_in_force)?;
        some(out, "postOnly", &self.post_only)?;
        some(out, "reduceOnly", &self.reduce_only)?;
        some(out, "price", &self.price)?;
        some(out, "stopPrice", &self.stop_price)?;
        out.serialize_field("origQty", &self.orig_qty)?;
        out.serialize_field("executedQty", &self.executed_qty)?;
        some(out, "avgPrice", &self.avg_price)?;
        out.serialize_field("status", &self.status)?;
        some(out, "fee", &self.fee)?;
        some(out, "feeAsset", &self.fee_asset)?;
        some(out, "time", &self.time)?;
        some(out, "updateTime", &self.update_time)
    }
}

impl Serialize for Order<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Order", 20)?;
        self.write(&mut out)?;
        out.end()
    }
}

shapes! {
    /// A fill; its id is unique per symbol and product.
    Fill {
        /// The venue's id.
        id: u64,
        /// Of which order.
        order_id: u64,
        /// The client's own id of the order; `""` when it gave none.
        client_order_id?: Text<'a>,
        /// Where.
        symbol: Text<'a>,
        /// Which way.
        side: Side<'a>,
        /// At which price.
        price: Num<'a>,
        /// How much of the base.
        qty: Num<'a>,
        /// How much of the quote.
        quote_qty?: Num<'a>,
        /// Negative is a rebate.
        fee: Num<'a>,
        /// What the fee is counted in.
        fee_asset?: Text<'a>,
        /// Whether the order was in the book.
        is_maker: bool,
        /// Of futures.
        realized_pnl?: Num<'a>,
        /// When.
        time: Millis,
    }
}
