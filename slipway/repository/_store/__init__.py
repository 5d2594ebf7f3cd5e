"""A remote repository as files below one URL: S3, Google Cloud Storage, a web server, a folder, over fsspec."""
