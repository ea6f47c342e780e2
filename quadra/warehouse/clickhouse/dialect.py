"""What differs between DuckDB's SQL and ClickHouse's. Statements are written once, for DuckDB; sqlglot parses them and writes
them for ClickHouse, and here stands what it does not know: functions by name, and rules of the two engines that differ.

Whatever has no counterpart here fails in ClickHouse by the name of the function. Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlglot import exp, parse_one

Node = exp.Expr
OURS = "duck_"
RENAMED = re.compile(
    r"\b(json_extract_string|quantile_cont|median|arg_max|arg_min|list_contains|list_position|left|regexp_replace|"
    r"regexp_matches|regexp_extract|regexp_full_match|isfinite|bool_or|bool_and|any_value|unnest|list_sort|"
    r"generate_subscripts|list|hash|sha256|trunc|contains|starts_with|split_part|url_decode|json_keys)\("
)
"""Functions that sqlglot would take for another engine's of the same name: it leaves alone what it does not know."""
TYPES = {str: "String", bool: "Bool", int: "Int64", float: "Float64"}


@lru_cache(maxsize=512)
def translate(sql: str) -> str:
    """A statement for ClickHouse. Parameters are marked `{name:Type}` once their values are known (`marked`)."""
    tree: Node = parse_one(RENAMED.sub(rf"{OURS}\1(", sql), read="duckdb")
    for union in list(tree.find_all(exp.Union)):
        _union_by_name(union)
    for select in list(tree.find_all(exp.Select)):
        _lists_side_by_side(select)
        _name_columns(select)
        _order_by_place(select)
    for node in list(tree.walk(bfs=False))[::-1]:  # what lies within first
        new = _written(node)
        if new is not node:
            if node is tree:
                tree = new
            else:
                node.replace(new)
    return tree.sql(dialect="clickhouse")


def marked(sql: str, params: Mapping[str, Any]) -> str:
    """A translated statement with the types of its parameters."""
    return re.sub(r"\{(\w+): \}", lambda found: f"{{{found[1]}:{type_of(params[found[1]])}}}", sql)


def type_of(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"Array({type_of(value[0]) if value else 'String'})"
    return "Nullable(String)" if value is None else TYPES[type(value)]


def call(name: str, *arguments: Node) -> Node:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _is(value: str | float) -> Node:
    return exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def _lists_side_by_side(select: exp.Select) -> None:
    """DuckDB's `unnest` of several lists in one SELECT walks them together; ClickHouse's `arrayJoin` pairs all with all."""
    names = (f"{OURS}unnest", f"{OURS}generate_subscripts")
    found = [one for each in select.expressions for one in each.find_all(exp.Anonymous) if one.name in names]
    if not found or _source(select) is not None:
        return
    lists = []
    for place, one in enumerate(found, 1):
        given = one.expressions[0].copy()
        lists.append(given if one.name.endswith("unnest") else call("arrayEnumerate", given))
        one.replace(call("tupleElement", exp.column("together"), _is(place)))
    inner = exp.select(exp.alias_(call("arrayJoin", call("arrayZip", *lists)), "together"))
    select.from_(inner.subquery("lists"), copy=False)


def _name_columns(select: exp.Select) -> None:
    """`a.b` is called `b`; what is true or false is a Bool, where ClickHouse makes a number of it."""
    for each in list(select.expressions):
        if isinstance(each, exp.Column) and each.table and not isinstance(each.this, exp.Star):
            each.replace(exp.alias_(each.copy(), each.name))
        inner = each.this if isinstance(each, exp.Alias) else None
        of_flags = isinstance(inner, exp.Coalesce) and isinstance(inner.expressions[-1], exp.Boolean)
        if inner is not None and (of_flags or isinstance(inner, exp.Predicate | exp.And | exp.Or | exp.Not)):
            inner.replace(call("accurateCastOrNull", inner.copy(), _is("Bool")))


def _order_by_place(select: exp.Select) -> None:
    """In ORDER BY a name is that of the answer's column first; ClickHouse is told to prefer the table's everywhere."""
    places: dict[str, Node] = {}
    starred = False
    for place, each in enumerate(select.expressions, 1):
        starred = starred or each.is_star
        if isinstance(each, exp.Alias):
            places[each.alias] = each.this.copy() if starred else _is(place)
    order = select.args.get("order")
    for each in order.expressions if order is not None else ():
        if isinstance(each.this, exp.Column) and not each.this.table and each.this.name in places:
            each.this.replace(places[each.this.name].copy())


def _source(select: exp.Select) -> Node | None:
    found: Node | None = select.args.get("from_") or select.args.get("from")
    return found


def _union_by_name(union: exp.Union) -> None:
    """ClickHouse unites by place alone: each part gets all columns, in one order, with NULL for those it has not."""
    if not union.args.get("by_name"):
        return
    names = list(dict.fromkeys([*_names(union.left), *_names(union.right)]))
    for side in ("this", "expression"):
        part = union.args[side]
        own = _names(part)
        inner = part if isinstance(part, exp.Subquery) else exp.Subquery(this=part)
        columns = [exp.column(name) if name in own else exp.alias_(exp.Null(), name) for name in names]
        union.set(side, exp.select(*columns).from_(inner))
    union.set("by_name", False)


def _names(of: Node | None) -> list[str]:
    """What the columns of a query are called."""
    if isinstance(of, exp.Subquery):
        return _names(of.this)
    if isinstance(of, exp.Union):
        return list(dict.fromkeys([*_names(of.left), *_names(of.right)])) if of.args.get("by_name") else _names(of.left)
    if not isinstance(of, exp.Select):
        raise ValueError(f"The columns of {of} are not known.")
    found: list[str] = []
    for each in of.expressions:
        if each.is_star:
            source = _source(of)
            inner = _names(source.this if source is not None else None)
            inner += [name for join in of.args.get("joins") or () for name in _names(join.this)]
            left_out = {one.name for one in each.args.get("except_") or each.args.get("except") or ()}
            found += [name for name in inner if name not in left_out]
        else:
            found.append(each.alias_or_name)
    return list(dict.fromkeys(found))


def _json_text(column: Node, path: Node) -> Node:
    """A field as text, NULL where there is none or `null`: an object or a number as it is written."""
    names = _json_names(path)
    kind = call("toString", call("JSONType", column, *names))
    text = call("JSONExtractString", column.copy(), *(name.copy() for name in names))
    raw = call("JSONExtractRaw", column.copy(), *(name.copy() for name in names))
    return call(
        "multiIf", call("equals", kind, _is("String")), text, call("equals", kind.copy(), _is("Null")), exp.Null(), raw
    )


def _json_names(path: Node) -> list[Node]:
    """The names along a path. One that is a parameter names a top-level field, `'/a' || $b` one of `a`."""
    if isinstance(path, exp.DPipe):
        return [*_json_names(path.this), *_json_names(path.expression)]
    if isinstance(path, exp.Literal):
        parts = path.this.removeprefix("$.").removeprefix("/").split("/")
        return [_is(part.replace("~1", "/").replace("~0", "~")) for part in parts]
    name = call("substring", path, _is(2))
    for written, meant in (("~1", "/"), ("~0", "~")):
        name = call("replaceAll", name, _is(written), _is(meant))
    return [name]


def _list(one: Node) -> Node:
    """A list in the order that is asked for."""
    if not isinstance(one, exp.Order):
        return call("groupArray", one)
    keys = [each.this for each in one.expressions]
    packed = call("arraySort", call("groupArray", call("tuple", *(key.copy() for key in keys), one.this)))
    last = call("tupleElement", exp.column("each"), _is(len(keys) + 1))
    return call("arrayMap", exp.Lambda(this=last, expressions=[exp.to_identifier("each")]), packed)


def _quantile(value: Node, part: Node) -> Node:
    return exp.ParameterizedAgg(this="quantileExactInclusive", expressions=[part], params=[value])


def _mean(value: Node) -> Node:
    return exp.Div(this=call("sumKahan", value), expression=call("count", value.copy()), typed=False, safe=False)


FUNCTIONS: dict[str, Callable[..., Node]] = {
    f"{OURS}json_extract_string": _json_text,
    f"{OURS}json_keys": lambda column, path: call(
        "JSONExtractKeys", call("ifNull", column, _is("")), *_json_names(path)
    ),
    f"{OURS}unnest": lambda values: call("arrayJoin", values),
    f"{OURS}quantile_cont": _quantile,
    f"{OURS}median": lambda value: _quantile(value, _is(0.5)),
    f"{OURS}list": _list,
    f"{OURS}arg_max": lambda *given: call("argMax", *given),
    f"{OURS}arg_min": lambda *given: call("argMin", *given),
    f"{OURS}bool_or": lambda value: call("max", value),
    f"{OURS}bool_and": lambda value: call("min", value),
    f"{OURS}any_value": lambda value: call("any", value),
    f"{OURS}left": lambda *given: call("leftUTF8", *given),
    f"{OURS}list_contains": lambda *given: call("has", *given),
    f"{OURS}list_position": lambda *given: call("indexOf", *given),
    f"{OURS}list_sort": lambda given: call("arraySort", given),
    f"{OURS}regexp_replace": lambda *given: call("replaceRegexpOne", *given),
    f"{OURS}regexp_extract": lambda *given: call("regexpExtract", *given),
    f"{OURS}regexp_matches": lambda *given: call("match", *given),
    f"{OURS}isfinite": lambda value: call("isFinite", value),
    f"{OURS}trunc": lambda value: call("trunc", value),
    f"{OURS}hash": lambda value: call("cityHash64", value),
    f"{OURS}sha256": lambda value: call("lower", call("hex", call("SHA256", value))),
    f"{OURS}contains": lambda text, part: call("greater", call("position", text, part), _is(0)),
    f"{OURS}starts_with": lambda text, part: call("startsWith", text, part),
    "make_timestamptz": lambda us: call("fromUnixTimestamp64Micro", call("toInt64", us), _is("UTC")),
    "favg": _mean,
    "fsum": lambda value: call("sumKahan", value),
}
BITS: dict[type[Node], str] = {
    exp.BitwiseAnd: "bitAnd",
    exp.BitwiseOr: "bitOr",
    exp.BitwiseLeftShift: "bitShiftLeft",
    exp.BitwiseRightShift: "bitShiftRight",
}
AGGREGATES: dict[type[Node], str] = {exp.Sum: "sum", exp.Min: "min", exp.Max: "max", exp.Avg: "avg"}
WHOLE = {exp.DataType.Type.INT: "Int32", exp.DataType.Type.BIGINT: "Int64"}


def _written(node: Node) -> Node:
    """The same for ClickHouse, of parts that are written already."""
    if isinstance(node, exp.Anonymous) and node.name in FUNCTIONS:
        return FUNCTIONS[node.name](*node.expressions)
    if isinstance(node, exp.IntDiv):
        return call("intDiv", node.this, node.expression)
    if type(node) in BITS:
        return call(BITS[type(node)], call("toInt64", node.this), call("toInt64", node.expression))
    if isinstance(node, exp.TryCast):
        number = call("toFloat64OrNull", call("trimBoth", node.this))
        whole = WHOLE.get(node.to.this)
        return call("accurateCastOrNull", call("round", number), _is(whole)) if whole else number
    if isinstance(node, exp.Filter):
        return _only_where(node.this, call("ifNull", node.expression.this, exp.false()))
    if isinstance(node, exp.Lag | exp.Lead):  # of nothing they are NULL, not 0
        node.set("this", call("toNullable", node.this))
        return node
    if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber | exp.DenseRank | exp.Rank | exp.Count):
        return _counted(node)
    if isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice):
        return call("arraySlice", node.this, node.expressions[0].this, node.expressions[0].expression)
    if isinstance(node, exp.Struct):
        return call("tuple", *(exp.alias_(each.expression, each.this.name) for each in node.expressions))
    return node


def _counted(window: exp.Window) -> Node:
    """Signed, as DuckDB's numbers are. A relation is computed once for each mention, so that numbers of rows without an
    order are others each time: they get one."""
    select = window.parent_select
    source = _source(select) if isinstance(select, exp.Select) else None
    if isinstance(window.this, exp.RowNumber) and not window.args.get("order") and source is not None:
        inner: Sequence[Node] = source.this.this.expressions
        window.set("order", exp.Order(expressions=[exp.Ordered(this=exp.column(one.alias_or_name)) for one in inner]))
    return call("toInt64", window.copy())


def _only_where(aggregate: Node, condition: Node) -> Node:
    """`aggregate FILTER (condition)`."""
    if isinstance(aggregate, exp.Div):  # `_mean`
        parts = (_only_where(part, condition.copy()) for part in (aggregate.this, aggregate.expression))
        return exp.Div(this=next(parts), expression=next(parts), typed=False, safe=False)
    if isinstance(aggregate, exp.ParameterizedAgg):
        params = [*aggregate.args["params"], condition]
        return exp.ParameterizedAgg(this=f"{aggregate.this}If", expressions=aggregate.expressions, params=params)
    if isinstance(aggregate, exp.Count):
        counted = aggregate.this
        if isinstance(counted, exp.Distinct):
            return call("uniqExactIf", *counted.expressions, condition)
        if counted is None or isinstance(counted, exp.Star):
            return call("countIf", condition)
        return call("countIf", exp.and_(condition, call("isNotNull", counted)))
    if isinstance(aggregate, exp.Anonymous):
        return call(f"{aggregate.name}If", *aggregate.expressions, condition)
    return call(f"{AGGREGATES[type(aggregate)]}If", aggregate.this, condition)
