//! The order of flows: keys whose octets compare as the values do.

use anyhow::bail;
use netflow_filter::Derived;
use netflow_flow::{Cell, Column, Flow, Kind};

use super::form::column_named;

/// By what flows are sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    by: Vec<(By, bool)>,
}

#[derive(Debug, Clone, Copy)]
enum By {
    Column(&'static Column),
    Derived(Derived),
}

impl Order {
    /// `COLUMN[:asc|:desc],...`
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let one = |text: &str| {
            let (name, way) = text.split_once(':').map_or((text, None), |(name, way)| (name, Some(way)));
            let by = match name {
                "duration" => By::Derived(Derived::Duration),
                "bps" => By::Derived(Derived::BitsPerSecond),
                "pps" => By::Derived(Derived::PacketsPerSecond),
                "bpp" => By::Derived(Derived::BytesPerPacket),
                "tstart" => By::Column(column_named("time_flow_start")?),
                "tend" => By::Column(column_named("time_flow_end")?),
                name => By::Column(column_named(name)?),
            };
            let largest_first = match by {
                By::Column(column) if matches!(column.kind, Kind::List | Kind::Extras) => {
                    bail!("flows have several values of {name}, and cannot be sorted by them")
                }
                By::Column(column) => {
                    let counts = ["bytes", "packets", "flows"];
                    counts.iter().any(|count| column.name.contains(count))
                }
                By::Derived(_) => true,
            };
            match way {
                None => Ok((by, largest_first)),
                Some("asc") => Ok((by, false)),
                Some("desc") => Ok((by, true)),
                Some(way) => bail!("'{}' is no order; asc and desc are", way.escape_debug()),
            }
        };
        Ok(Self { by: text.split(',').map(one).collect::<anyhow::Result<_>>()? })
    }

    /// Whether flows keep the order that they come in.
    pub(crate) fn is_none(&self) -> bool {
        self.by.is_empty()
    }

    /// The columns that it looks at.
    pub(crate) fn columns(&self) -> Vec<&'static Column> {
        let columns = self.by.iter().flat_map(|(by, _)| match by {
            By::Column(column) => vec![*column],
            By::Derived(derived) => derived.columns(),
        });
        columns.collect()
    }

    /// Appends the key of a flow.
    pub(crate) fn key(&self, flow: &Flow, key: &mut Vec<u8>) {
        for (by, descending) in &self.by {
            let start = key.len();
            match by {
                By::Column(column) => put(column.get(flow), key),
                By::Derived(derived) => {
                    let number = derived.of(flow.into());
                    put(number.map_or(Cell::Null, |number| Cell::Unsigned(number.max(0) as u64)), key);
                }
            }
            if *descending {
                key[start..].iter_mut().for_each(|octet| *octet = !*octet);
            }
        }
    }
}

/// What is absent comes before all others.
fn put(cell: Cell<'_>, key: &mut Vec<u8>) {
    key.push(u8::from(cell != Cell::Null));
    match cell {
        Cell::Unsigned(number) => key.extend(number.to_be_bytes()),
        Cell::Time(time) => key.extend((time.as_nanos() as u64 ^ 1 << 63).to_be_bytes()),
        Cell::Address(address) => match address {
            std::net::IpAddr::V4(address) => {
                key.push(4);
                key.extend(address.octets());
            }
            std::net::IpAddr::V6(address) => {
                key.push(6);
                key.extend(address.octets());
            }
        },
        Cell::Null => {}
        other => {
            let start = key.len();
            netflow_flow::write_cell_text(key, &other);
            // An end that is less than any octet that follows, whatever is in the text.
            let text = key.split_off(start);
            for octet in text {
                key.push(octet);
                if octet == 0 {
                    key.push(1);
                }
            }
            key.extend([0, 0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(order: &str, mut flows: Vec<Flow>) -> Vec<u16> {
        let order = Order::parse(order).unwrap();
        flows.sort_by_key(|flow| {
            let mut key = Vec::new();
            order.key(flow, &mut key);
            key
        });
        flows.iter().map(|flow| flow.src_port).collect()
    }

    #[test]
    fn keys_compare_as_values_do() {
        let flow = |number: u16, bytes: u64, name: &str, address: Option<&str>| {
            let mut flow = Flow::default();
            (flow.src_port, flow.bytes_raw) = (number, bytes);
            flow.rare_mut().app_name.push_str(name);
            flow.src_addr = address.map(|address| address.parse().unwrap());
            flow
        };
        let flows = || {
            vec![
                flow(1, 70_000, "b", Some("10.0.0.10")),
                flow(2, 5, "ab", None),
                flow(3, 300, "a", Some("2001:db8::1")),
                flow(4, 5, "", Some("10.0.0.9")),
            ]
        };
        assert_eq!(sorted("bytes", flows()), [1, 3, 2, 4]);
        assert_eq!(sorted("bytes:asc", flows()), [2, 4, 3, 1]);
        assert_eq!(sorted("bytes:asc,src_port:desc", flows()), [4, 2, 3, 1]);
        assert_eq!(sorted("app_name", flows()), [4, 3, 2, 1]);
        assert_eq!(sorted("app_name:desc", flows()), [1, 2, 3, 4]);
        assert_eq!(sorted("srcip", flows()), [2, 4, 1, 3]);
    }

    #[test]
    fn what_is_no_order_is_said() {
        let error = |text| Order::parse(text).unwrap_err().to_string();
        assert!(error("byte").contains("did you mean bytes?"));
        assert!(error("bytes:up").contains("asc and desc"));
        assert!(error("mpls_labels").contains("several values"));
        assert!(error("").contains("no column ''"));
    }
}
