//! Which columns of a table a set of expressions reads, and the expressions over just these columns.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, Fields as ArrowFields, Schema, SchemaRef};
use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    physical_expr::{
        PhysicalExpr, ScalarFunctionExpr,
        expressions::{Column, Literal},
    },
};
use genomdb_genome::alignment::tag::TagKey;
use genomdb_planner::Fields;

/// Columns of a table's schema; of `tags` only the fields that are asked for.
#[derive(Clone, Debug)]
pub(crate) struct ReadColumns {
    /// Places in the table's schema, ascending.
    pub(crate) columns: Vec<usize>,
    /// The tags that are read, where `tags` is among the columns; ascending.
    pub(crate) tags: Vec<TagKey>,
    /// The schema of a batch of just these.
    pub(crate) schema: SchemaRef,
}

/// The place of `tags` in the schema of an `alignments` table, if it is there.
fn tags_index(schema: &Schema) -> Option<usize> {
    schema.index_of("tags").ok()
}

impl ReadColumns {
    /// Finds the columns that expressions over `table` read.
    pub(crate) fn of<'a>(
        exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>,
        table: &Schema,
    ) -> Result<Self> {
        let tags_index = tags_index(table);
        let mut columns = BTreeSet::new();
        let mut tags = BTreeSet::new();
        let mut all_tags = false;
        for expr in exprs {
            expr.apply(|node| {
                if let Some((index, key)) = tag_access(node, tags_index) {
                    columns.insert(index);
                    tags.insert(key);
                    return Ok(TreeNodeRecursion::Jump);
                }
                if let Some(column) = node.downcast_ref::<Column>() {
                    columns.insert(column.index());
                    all_tags |= Some(column.index()) == tags_index;
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        if all_tags {
            tags = tag_fields(table).map(|(key, _)| key).collect();
        }
        let tags: Vec<TagKey> = tags.into_iter().collect();
        let fields = columns.iter().map(|&index| {
            let field = Arc::new(table.field(index).clone());
            if Some(index) != tags_index || all_tags {
                return field;
            }
            let wanted = tag_fields(table).filter(|(key, _)| tags.contains(key)).map(|(_, field)| field);
            let data_type = DataType::Struct(wanted.collect::<ArrowFields>());
            Arc::new(field.as_ref().clone().with_data_type(data_type))
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { columns: columns.into_iter().collect(), tags, schema })
    }

    /// Returns the fields of the stored records that these columns are made of.
    pub(crate) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        self.schema.fields().iter().for_each(|field| fields.add_column(field.name()));
        self.tags.iter().for_each(|&key| fields.add_tag(key));
        fields
    }

    /// Rewrites an expression over the table's columns to one over these.
    pub(crate) fn rewrite(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let places: BTreeMap<usize, usize> =
            self.columns.iter().enumerate().map(|(place, &index)| (index, place)).collect();
        let rewritten = Arc::clone(expr).transform(|node| {
            let place =
                node.downcast_ref::<Column>().map(|column| (column.name(), places.get(&column.index())));
            Ok(match place {
                Some((name, Some(&place))) => {
                    let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(name, place));
                    Transformed::yes(column)
                }
                _ => Transformed::no(node),
            })
        })?;
        Ok(rewritten.data)
    }

    /// Names the columns for EXPLAIN, tags as `tags[NM]`.
    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.schema.fields().iter().flat_map(|field| match field.data_type() {
            DataType::Struct(tags) if field.name() == "tags" => {
                tags.iter().map(|tag| format!("tags[{}]", tag.name())).collect()
            }
            _ => vec![field.name().clone()],
        });
        all.collect()
    }
}

/// The tags of a table's schema.
fn tag_fields(table: &Schema) -> impl Iterator<Item = (TagKey, Arc<Field>)> + '_ {
    let fields = match tags_index(table).map(|index| table.field(index).data_type()) {
        Some(DataType::Struct(fields)) => Some(fields),
        _ => None,
    };
    fields.into_iter().flatten().filter_map(|field| {
        let key = <[u8; 2]>::try_from(field.name().as_bytes()).ok()?;
        Some((TagKey(key), Arc::clone(field)))
    })
}

/// `get_field(tags, 'NM')`: the column's place, and the tag.
fn tag_access(expr: &Arc<dyn PhysicalExpr>, tags_index: Option<usize>) -> Option<(usize, TagKey)> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.fun().name() == "get_field")?;
    let (base, key) = (call.args().first()?, call.args().get(1)?);
    let column = base.downcast_ref::<Column>().filter(|column| Some(column.index()) == tags_index)?;
    let key = key.downcast_ref::<Literal>()?.value().try_as_str()??;
    Some((column.index(), TagKey(<[u8; 2]>::try_from(key.as_bytes()).ok()?)))
}
