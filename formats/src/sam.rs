//! SAM text (SAM v1 § 1).
