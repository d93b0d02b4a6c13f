"""What `import rehash` offers: the workflow's measurements as functions on arrays, each in a module of its name."""
