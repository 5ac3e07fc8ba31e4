# An example: the bucket of the warehouse, and the least that versionlake's workers and its readers may do. The buckets of the
# telemetry are yours already. A test runs ingestion, maintenance and erasure with these rights alone, and needs each of them.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "warehouse_bucket" {
  description = "the bucket that is made for the tables; VERSIONLAKE_WAREHOUSE is s3://BUCKET/PREFIX"
  type        = string
}

variable "warehouse_prefix" {
  description = "the folder of the tables in it"
  type        = string
  default     = "versions"
}

variable "source_bucket" {
  description = "the bucket that the telemetry lies in; VERSIONLAKE_SOURCE is s3://BUCKET/PREFIX"
  type        = string
}

variable "source_prefix" {
  description = "the folder of the hours in it"
  type        = string
}

variable "source_kms_key_arn" {
  description = "the key that the telemetry is encrypted with, where it is one of your own"
  type        = string
  default     = null
}

resource "aws_s3_bucket" "warehouse" {
  bucket = var.warehouse_bucket

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "warehouse" {
  bucket                  = aws_s3_bucket.warehouse.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm = "aws:kms"
    }
  }
}

# Maintenance removes what no snapshot names. Nothing else may: a rule that expires objects by their age destroys tables, and one
# that archives them makes them unreadable. Versions of objects that were removed go at once, or `versionlake forget` would leave
# them; that is also why the bucket has no versioning of its own.
resource "aws_s3_bucket_lifecycle_configuration" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id

  rule {
    id     = "uploads that were given up"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  rule {
    id     = "versions, where someone switched them on"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
}

data "aws_iam_policy_document" "warehouse_tls" {
  statement {
    sid       = "OnlyByTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.warehouse.arn, "${aws_s3_bucket.warehouse.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "warehouse" {
  bucket = aws_s3_bucket.warehouse.id
  policy = data.aws_iam_policy_document.warehouse_tls.json
}

output "worker_policy_arn" {
  description = "attach it to the role of the workers"
  value       = aws_iam_policy.worker.arn
}

output "reader_policy_arn" {
  description = "attach it to the roles of those who run status, at, history and verify, and of Trino"
  value       = aws_iam_policy.reader.arn
}
