"""The frame that every stage stands on: parameters, parts, paths, records, files, errors."""
