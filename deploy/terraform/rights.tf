locals {
  warehouse = "arn:aws:s3:::${var.warehouse_bucket}"
  source    = "arn:aws:s3:::${var.source_bucket}"
}

# What workers may do. Who may list learns of an object that it is not there, who may not is refused: versionlake has to tell these
# apart, and reading an object names no prefix. Hence IfExists. Multipart uploads are written under PutObject, and given up under AbortMultipartUpload.
data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "ListSource"
    actions   = ["s3:ListBucket"]
    resources = [local.source]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["${var.source_prefix}/*"]
    }
  }

  statement {
    sid       = "ReadSource"
    actions   = ["s3:GetObject"]
    resources = ["${local.source}/${var.source_prefix}/*"]
  }

  statement {
    sid       = "ListWarehouse"
    actions   = ["s3:ListBucket"]
    resources = [local.warehouse]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["${var.warehouse_prefix}/*"]
    }
  }

  statement {
    sid       = "WriteWarehouse"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = ["${local.warehouse}/${var.warehouse_prefix}/*"]
  }

  dynamic "statement" {
    for_each = var.source_kms_key_arn == null ? [] : [var.source_kms_key_arn]

    content {
      sid       = "DecryptSource"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

# What those may do who only ask.
data "aws_iam_policy_document" "reader" {
  statement {
    sid       = "ListWarehouse"
    actions   = ["s3:ListBucket"]
    resources = [local.warehouse]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["${var.warehouse_prefix}/*"]
    }
  }

  statement {
    sid       = "ReadWarehouse"
    actions   = ["s3:GetObject"]
    resources = ["${local.warehouse}/${var.warehouse_prefix}/*"]
  }
}

resource "aws_iam_policy" "worker" {
  name   = "versionlake-worker"
  policy = data.aws_iam_policy_document.worker.json
}

resource "aws_iam_policy" "reader" {
  name   = "versionlake-reader"
  policy = data.aws_iam_policy_document.reader.json
}
