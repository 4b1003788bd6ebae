"""What a recording holds: tokens of documents, counts of a batch's steps, or how popular experts are."""
