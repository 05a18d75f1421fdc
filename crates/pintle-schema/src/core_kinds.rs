//! The kinds that the server has without being told.

use std::sync::Arc;

use crate::Definition;

/// `CustomResourceDefinition`, `Namespace`, `ResourceQuota`, `Role`, `ClusterRole`, `RoleBinding` and
/// `ClusterRoleBinding`.
pub fn core_definitions() -> Vec<Arc<Definition>> {
    Vec::new()
}
