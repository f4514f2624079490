//! Tables of CA products.

pub(super) mod cfssl;
pub(super) mod ejbca;
pub(super) mod step_ca;
