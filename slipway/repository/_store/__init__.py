"""Files of a remote repository below one URL: S3, Google Cloud Storage, a web server or a folder, through fsspec."""
