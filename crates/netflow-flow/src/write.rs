//! Writing flows: export packets and flows as JSON lines, flows as CSV.

mod csv;
mod encoder;
mod flow_line;
mod packet;

pub use csv::{write_csv_cell, write_csv_flow, write_csv_head};
pub use encoder::{FlowEncoder, NotText};
pub use flow_line::{write_cell_text, write_flow_line, write_json_cell};
pub use packet::PacketWriter;
