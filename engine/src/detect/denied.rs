//! Which error codes say that somebody may not do what was tried: one closed list.
//!
//! Sources: the common errors of AWS's API references (`AccessDenied`, `AccessDeniedException`, `NotAuthorized`,
//! `UnauthorizedOperation` of EC2, there also with the prefix `Client.`), and those of single services that CloudTrail
//! delivers as they are.

const DENIED: [&str; 16] = [
    "AccessDenied",
    "AccessDeniedException",
    "AccessDeniedFault",
    "AuthFailure",
    "AuthorizationError",
    "AuthorizationErrorException",
    "Client.AuthFailure",
    "Client.UnauthorizedAccess",
    "Client.UnauthorizedOperation",
    "ForbiddenException",
    "NotAuthorized",
    "NotAuthorizedException",
    "UnauthorizedAccess",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnauthorizedOperationException",
];

/// Whether calls that failed with this code were denied.
pub(super) fn is_denied(code: &str) -> bool {
    DENIED.binary_search(&code).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_closed() {
        assert!(DENIED.is_sorted());
        assert!(is_denied("Client.UnauthorizedOperation") && is_denied("AccessDenied"));
        assert!(!is_denied("accessdenied") && !is_denied("ThrottlingException") && !is_denied(""));
    }
}
