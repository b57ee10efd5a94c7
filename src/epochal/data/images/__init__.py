"""Images: folders of files, or pixel arrays."""
