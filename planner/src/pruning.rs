//! Reads from the filters of a scan which blocks need not be read: regions, FLAG, MAPQ.
//!
//! The filters are evaluated on every row that is read, so all that is decided here is cost (PLAN-1):
//! what is not understood reaches everything.

use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::{BinaryExpr, Expr, Operator, expr::InList},
};
use genomdb_genome::{Contigs, Interval, Region, RegionSet};

use crate::{
    PlanError,
    functions::{FlagTest, flag_test, parse_region},
    reach::Reach,
    zone::Zone,
};

/// Deeper expressions reach everything: the walk must not outgrow the stack.
const DEPTH_MAX: usize = 64;

/// What the filters of a scan say of the blocks that it must read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    /// The regions that every row overlaps; `None` for rows anywhere.
    pub regions: Option<RegionSet>,
    /// What every row meets.
    pub zone: Zone,
}

/// The table whose filters are read.
#[derive(Clone, Copy, Debug)]
pub struct FilteredTable<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// Its contigs.
    pub contigs: &'a Contigs,
}

/// Reads the filters of a scan, all of which a row must meet.
///
/// # Errors
///
/// If a region is not well formed or names a contig that the table does not have.
pub fn pruning<'a>(filters: impl IntoIterator<Item = &'a Expr>, table: FilteredTable<'_>) -> Result<Pruning> {
    let mut reach = Reach::Everything;
    let mut zone = Zone::Any;
    for filter in filters {
        let (filter_reach, filter_zone) = table.read(filter, 0)?;
        reach = reach.and(filter_reach);
        zone = zone.and(filter_zone);
    }
    Ok(Pruning { regions: reach.regions(table.contigs), zone })
}

impl FilteredTable<'_> {
    /// Returns where a row can lie on which the expression is true, and what it meets.
    fn read(self, expr: &Expr, depth: usize) -> Result<(Reach, Zone)> {
        const EVERYTHING: (Reach, Zone) = (Reach::Everything, Zone::Any);
        if depth > DEPTH_MAX {
            return Ok(EVERYTHING);
        }
        Ok(match expr {
            Expr::Alias(alias) => return self.read(&alias.expr, depth + 1),
            Expr::IsTrue(inner) => return self.read(inner, depth + 1),
            Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => {
                return self.read_chain(expr, *op, depth);
            }
            Expr::BinaryExpr(binary) => match comparison(binary) {
                Some((left, op, value)) => self.read_comparison(left, op, value),
                None => EVERYTHING,
            },
            Expr::Between(between) if !between.negated => {
                let low =
                    literal(&between.low).map(|v| self.read_comparison(&between.expr, Operator::GtEq, v));
                let high =
                    literal(&between.high).map(|v| self.read_comparison(&between.expr, Operator::LtEq, v));
                let (low, high) = (low.unwrap_or(EVERYTHING), high.unwrap_or(EVERYTHING));
                (low.0.and(high.0), low.1.and(high.1))
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let Some(values) = list.iter().map(literal).collect::<Option<Vec<_>>>() else {
                    return Ok(EVERYTHING);
                };
                self.one_of(values.into_iter().map(|value| self.read_comparison(expr, Operator::Eq, value)))
            }
            Expr::IsNull(inner) => match column(inner) {
                Some("chrom") => (Reach::unplaced(), Zone::Any),
                Some("mapq") => (Reach::Everything, Zone::Mapq { min: 255, max: 255 }),
                _ => EVERYTHING,
            },
            Expr::IsNotNull(inner) => match column(inner) {
                Some("chrom" | "start" | "end" | "pos") => (Reach::AnyContig(vec![Interval::ALL]), Zone::Any),
                Some("mapq") => (Reach::Everything, Zone::Mapq { min: 0, max: 254 }),
                _ => EVERYTHING,
            },
            Expr::Not(inner) => match self.flag_call(inner) {
                Some(test) => (Reach::Everything, Zone::Flag(FlagTest { differs: !test.differs, ..test })),
                None => {
                    // Only for its errors: an unknown contig is one wherever it stands.
                    self.read(inner, depth + 1)?;
                    EVERYTHING
                }
            },
            Expr::Literal(ScalarValue::Boolean(Some(false) | None), _) => (Reach::nothing(), Zone::Any),
            // An interval that contains a region, or lies inside it, also overlaps it.
            Expr::ScalarFunction(call)
                if matches!(call.func.name(), "intersects" | "contains_region" | "within_region") =>
            {
                (self.read_regions(&call.args, 0)?, Zone::Any)
            }
            Expr::ScalarFunction(call) if call.func.name() == "within_distance" => {
                (self.read_near_regions(&call.args)?, Zone::Any)
            }
            Expr::ScalarFunction(_) => match self.flag_call(expr) {
                Some(test) => (Reach::Everything, Zone::Flag(test)),
                None => EVERYTHING,
            },
            _ => EVERYTHING,
        })
    }

    /// Reads `a AND b AND …`, or `a OR b OR …`, however many there are.
    fn read_chain(self, expr: &Expr, op: Operator, depth: usize) -> Result<(Reach, Zone)> {
        let mut operands = Vec::new();
        let mut rest = vec![expr];
        while let Some(next) = rest.pop() {
            match next {
                Expr::BinaryExpr(binary) if binary.op == op => rest.extend([&*binary.right, &*binary.left]),
                operand => operands.push(operand),
            }
        }
        let parts =
            operands.into_iter().map(|operand| self.read(operand, depth + 1)).collect::<Result<Vec<_>>>()?;
        if op == Operator::Or {
            return Ok(self.one_of(parts));
        }
        let everything = (Reach::Everything, Zone::Any);
        Ok(parts.into_iter().fold(everything, |all, part| (all.0.and(part.0), all.1.and(part.1))))
    }

    fn one_of(self, parts: impl IntoIterator<Item = (Reach, Zone)>) -> (Reach, Zone) {
        let (reaches, zones): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (Reach::any(reaches, self.contigs), zones.into_iter().fold(Zone::One(Vec::new()), Zone::or))
    }

    fn read_comparison(self, left: &Expr, op: Operator, value: &ScalarValue) -> (Reach, Zone) {
        if let Some(test) = flag_comparison(left, op, value) {
            return (Reach::Everything, Zone::Flag(test));
        }
        match column(left) {
            Some("chrom") if op == Operator::Eq => (self.contig(value), Zone::Any),
            Some("mapq") => (Reach::Everything, integer(value).map_or(Zone::Any, |value| mapq(op, value))),
            Some(name @ ("start" | "end" | "pos")) => {
                (integer(value).map_or(Reach::Everything, |value| position(name, op, value)), Zone::Any)
            }
            _ => (Reach::Everything, Zone::Any),
        }
    }

    /// `chrom = 'x'`: plain SQL, which finds nothing where there is no such contig.
    fn contig(self, value: &ScalarValue) -> Reach {
        match value.try_as_str() {
            Some(Some(name)) => self.contigs.id(name).map_or_else(Reach::nothing, Reach::contig),
            Some(None) => Reach::nothing(),
            None => Reach::Everything,
        }
    }

    /// `within_distance(chrom, start, end, distance, region)`.
    fn read_near_regions(self, arguments: &[Expr]) -> Result<Reach> {
        let [chrom, start, end, distance, region] = arguments else { return Ok(Reach::Everything) };
        let place_and_region = [chrom.clone(), start.clone(), end.clone(), region.clone()];
        match literal(distance).and_then(integer).and_then(|distance| u64::try_from(distance).ok()) {
            // A gap of as many bases as the distance: one base more than the region, on either side.
            Some(distance) => self.read_regions(&place_and_region, distance.saturating_add(1)),
            None => self.read_regions(&place_and_region, 0).map(|_| Reach::Everything),
        }
    }

    /// The regions of `intersects(chrom, start, end, region, …)`, made larger by a margin on either side.
    fn read_regions(self, arguments: &[Expr], margin: u64) -> Result<Reach> {
        let Some((place, texts)) = arguments.split_at_checked(3) else { return Ok(Reach::Everything) };
        let of_table = place.iter().map(column).eq([Some("chrom"), Some("start"), Some("end")]);
        let mut reaches = Vec::with_capacity(texts.len());
        for text in texts {
            match literal(text).map(ScalarValue::try_as_str) {
                Some(Some(Some(text))) => reaches.push(self.region(text, margin)?),
                Some(Some(None)) => {}
                _ => reaches.push(Reach::Everything),
            }
        }
        Ok(if of_table { Reach::any(reaches, self.contigs) } else { Reach::Everything })
    }

    fn region(self, text: &str, margin: u64) -> Result<Reach> {
        Ok(match parse_region(text)? {
            Region::Unplaced => Reach::unplaced(),
            Region::Placed { contig, interval } => match self.contigs.id(&contig) {
                Some(id) => {
                    let end = interval.end().saturating_add(margin).min(Interval::ALL.end());
                    let wide = Interval::new(interval.start().saturating_sub(margin), end);
                    Reach::Regions(RegionSet::from_iter([(id, wide.unwrap_or(Interval::ALL))]))
                }
                None => return Err(self.unknown_contig(contig, text).into()),
            },
        })
    }

    fn unknown_contig(self, contig: String, region: &str) -> PlanError {
        let suggestion = suggest_contig(&contig, self.contigs);
        PlanError::UnknownContig {
            contig,
            region: region.to_owned(),
            table: self.name.to_owned(),
            suggestion,
        }
    }

    fn flag_call(self, expr: &Expr) -> Option<FlagTest> {
        let Expr::ScalarFunction(call) = expr else { return None };
        (column(call.args.first()?)? == "flag").then_some(())?;
        flag_test(call.func.name(), call.args.get(1).and_then(literal))
    }
}

/// Guesses which contig is meant: with or without `chr`, M or MT, else the nearest name.
pub fn suggest_contig(name: &str, contigs: &Contigs) -> Option<String> {
    let bare = name.strip_prefix("chr").unwrap_or(name);
    let mitochondrion = if bare == "M" { "MT" } else { "M" };
    let mut spellings = vec![bare.to_owned(), format!("chr{bare}")];
    if matches!(bare, "M" | "MT") {
        spellings.extend([mitochondrion.to_owned(), format!("chr{mitochondrion}")]);
    }
    let other = spellings.into_iter().find(|spelling| contigs.id(spelling).is_some());
    let nearest = || genomdb_grammar::suggest(name, contigs.iter().map(|contig| &*contig.name));
    other.or_else(|| nearest().map(str::to_owned))
}

/// The column that an expression names; a cast to a wider type or to another text type changes no order.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(cast) => {
            let target = cast.field.data_type();
            let keeps = target.is_string()
                || matches!(
                    target,
                    arrow::datatypes::DataType::Int64 | arrow::datatypes::DataType::Decimal128(..)
                )
                || matches!(target, arrow::datatypes::DataType::Dictionary(_, value) if value.is_string());
            let name = column(&cast.expr)?;
            // A number as text is another thing than the number.
            (keeps
                && (name == "chrom")
                    == (target.is_string() || matches!(target, arrow::datatypes::DataType::Dictionary(..))))
            .then_some(name)
        }
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

/// Puts the literal of a comparison on the right.
fn comparison(binary: &BinaryExpr) -> Option<(&Expr, Operator, &ScalarValue)> {
    if let Some(value) = literal(&binary.right) {
        return Some((&binary.left, binary.op, value));
    }
    Some((&binary.right, binary.op.swap()?, literal(&binary.left)?))
}

fn integer(value: &ScalarValue) -> Option<i64> {
    if !value.data_type().is_integer() || value.is_null() {
        return None;
    }
    match value.cast_to(&arrow::datatypes::DataType::Int64).ok()? {
        ScalarValue::Int64(value) => value,
        _ => None,
    }
}

/// `flag & mask = value`, `flag & mask <> value`, `flag = value`.
fn flag_comparison(left: &Expr, op: Operator, value: &ScalarValue) -> Option<FlagTest> {
    let value = u16::try_from(integer(value)?).ok()?;
    let mask = match left {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::BitwiseAnd, right }) => {
            let (flag, mask) = if column(left) == Some("flag") { (left, right) } else { (right, left) };
            (column(flag)? == "flag").then_some(())?;
            // Bits beyond the sixteen of FLAG are 0 in every row.
            (integer(literal(mask)?)? & 0xffff) as u16
        }
        other if column(other) == Some("flag") => u16::MAX,
        _ => return None,
    };
    match op {
        Operator::Eq => Some(FlagTest { mask, value, differs: false }),
        Operator::NotEq => Some(FlagTest { mask, value, differs: true }),
        Operator::Gt if value == 0 => Some(FlagTest { mask, value, differs: true }),
        _ => None,
    }
}

fn mapq(op: Operator, value: i64) -> Zone {
    let clamp = |value: i64| u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX);
    let (min, max) = match op {
        Operator::Eq => (value, value),
        Operator::Gt => (value.saturating_add(1), 254),
        Operator::GtEq => (value, 254),
        Operator::Lt => (0, value.saturating_sub(1)),
        Operator::LtEq => (0, value),
        _ => return Zone::Any,
    };
    if max < 0 { Zone::One(Vec::new()) } else { Zone::Mapq { min: clamp(min), max: clamp(max) } }
}

/// The stretches that a row overlaps whose start, end or POS compares so.
fn position(name: &str, op: Operator, value: i64) -> Reach {
    // In terms of the row's first base (0-based) or of its last one.
    let value = match name {
        "start" => value,
        _ => value.saturating_sub(1),
    };
    // `first` and `end` of the bases among which the row's first (or last) one must be.
    let (first, end) = match op {
        Operator::Eq => (value, value.saturating_add(1)),
        Operator::Gt => (value.saturating_add(1), i64::MAX),
        Operator::GtEq => (value, i64::MAX),
        Operator::Lt => (0, value),
        Operator::LtEq => (0, value.saturating_add(1)),
        _ => return Reach::Everything,
    };
    let clamp = |value: i64| u64::try_from(value).unwrap_or(0);
    match Interval::new(clamp(first), clamp(end)) {
        Ok(interval) if interval.start() < interval.end() => Reach::AnyContig(vec![interval]),
        _ => Reach::nothing(),
    }
}
