//! Quotas: their status, when something else than a create has changed what it has to say.

use pintle_model::ObjectKey;

use super::todo::Task;
use super::worker::Hands;
use crate::Refusal;

/// Counts again what the quotas of a namespace limit.
pub(super) async fn look_after(hands: &Hands, namespace: &ObjectKey) -> Result<(), Refusal> {
    for quota in hands.quotas_in(namespace).await? {
        let status = hands.usage(&quota);
        let said = quota.object.status.as_ref().map(pintle_model::Json::to_value);
        if said.as_ref() != Some(&status) && !hands.write_status_of(&quota.object, status).await? {
            // Somebody wrote it meanwhile, and may have meant what was not counted yet.
            hands.work.todo.note(Task::Quotas(namespace.clone()));
        }
    }
    Ok(())
}
