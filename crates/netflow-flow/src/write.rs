//! Writing flows: export packets and flows as JSON lines, flows as CSV.

mod csv;
mod encoder;
mod flow_line;
mod packet;

pub use csv::{write_csv_flow, write_csv_head};
pub use encoder::{FlowEncoder, NotText};
pub use flow_line::write_flow_line;
pub use packet::PacketWriter;
