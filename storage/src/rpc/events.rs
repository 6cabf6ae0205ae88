//! The bytes of what a watcher is told.

use bytes::Bytes;

use crate::{
    fields::{Reader, Reason, Writer},
    kv::{End, Value},
    state::{Change, Event, Events},
};

fn write_value(writer: &mut Writer, value: Option<&Value>) {
    writer.option(value, |writer, value| {
        writer.bytes(value);
    });
}

fn write_change(writer: &mut Writer, change: &Change) {
    match change {
        Change::Put(value) => write_value(writer.u8(0), value.as_ref()),
        Change::Deleted => {
            writer.u8(1);
        }
        Change::DeletedRange(end) => write_value(writer.u8(2), end.as_ref()),
        Change::Pushed(end, value) => write_value(writer.u8(3).u8(*end as u8), value.as_ref()),
        Change::Popped(end) => {
            writer.u8(4).u8(*end as u8);
        }
        Change::Split { parent, child } => {
            writer.u8(5).descriptor(parent);
            writer.descriptor(child);
        }
    }
}

fn read_end(reader: &mut Reader) -> Result<End, Reason> {
    Ok(if reader.flag()? { End::Back } else { End::Front })
}

fn read_change(reader: &mut Reader) -> Result<Change, Reason> {
    Ok(match reader.u8()? {
        0 => Change::Put(reader.option(Reader::bytes)?),
        1 => Change::Deleted,
        2 => Change::DeletedRange(reader.option(Reader::bytes)?),
        3 => Change::Pushed(read_end(reader)?, reader.option(Reader::bytes)?),
        4 => Change::Popped(read_end(reader)?),
        5 => Change::Split { parent: reader.descriptor()?, child: reader.descriptor()? },
        _ => return Err("unknown change"),
    })
}

pub(crate) fn encode_events(events: &Events) -> Bytes {
    let mut writer = Writer::default();
    writer.u64(events.through).list(events.events.iter(), |writer, event| {
        writer.u64(event.index).bytes(&event.key);
        write_change(writer, &event.change);
    });
    writer.finish()
}

pub(crate) fn decode_events(bytes: Bytes) -> Result<Events, Reason> {
    let mut reader = Reader::new(bytes);
    let through = reader.u64()?;
    let events = reader.list(|reader| {
        Ok(Event { index: reader.u64()?, key: reader.bytes()?, change: read_change(reader)? })
    })?;
    reader.finish(Events { events, through })
}
