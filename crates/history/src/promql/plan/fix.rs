//! Which parts of a query are the same at each moment.

use super::super::node::{Function, Node, Over};

/// The tree with the greatest parts that are the same at each moment marked.
pub(super) fn fix(mut node: Node) -> Node {
    if mark(&mut node) { wrap(node) } else { node }
}

fn wrap(node: Node) -> Node {
    match node {
        // Nothing is won, or the window's function looks at the moment itself.
        Node::Number(_) | Node::Text(_) | Node::Range(..) | Node::Subquery(_) => node,
        node => Node::Fixed(Box::new(node)),
    }
}

/// Whether the node is the same at each moment; where it is not, its parts that
/// are have been marked.
fn mark(node: &mut Node) -> bool {
    match node {
        Node::Number(_) | Node::Text(_) => true,
        Node::Vector(selector) | Node::Range(selector, _) => selector.shift.at.is_some(),
        Node::Subquery(subquery) => {
            mark_all(&mut [&mut *subquery.node], false);
            subquery.shift.at.is_some()
        }
        Node::Negation(inner) | Node::Fixed(inner) => mark(inner),
        Node::Binary(binary) => mark_all(&mut [&mut *binary.left, &mut *binary.right], true),
        Node::Aggregation(aggregation) => {
            let mut parts = vec![&mut *aggregation.node];
            parts.extend(aggregation.parameter.as_deref_mut());
            mark_all(&mut parts, true)
        }
        Node::Call(call) => {
            let may = !depends_on_moment(&call.function);
            let mut parts: Vec<&mut Node> = call.arguments.iter_mut().collect();
            mark_all(&mut parts, may)
        }
    }
}

/// Marks the parts that are the same at each moment, unless all are and the
/// whole may be.
fn mark_all(parts: &mut [&mut Node], may_be_whole: bool) -> bool {
    let same: Vec<bool> = parts.iter_mut().map(|part| mark(part)).collect();
    if may_be_whole && same.iter().all(|same| *same) {
        return true;
    }
    for (part, same) in parts.iter_mut().zip(same) {
        if same {
            let node = std::mem::replace(&mut **part, Node::Number(0.0));
            **part = wrap(node);
        }
    }
    false
}

fn depends_on_moment(function: &Function) -> bool {
    matches!(
        function,
        Function::Date(_)
            | Function::Time
            | Function::Timestamp
            | Function::Over(Over::PredictLinear, _)
    )
}
