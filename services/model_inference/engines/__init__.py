"""The analysis of one video, in one streaming path, and the writers of its results.

`analysis.analyse` decodes, letterboxes, asks the model server, suppresses, tracks, and leaves
chunk files; `table.write_csv`, `documents.write_json`, `documents.write_chunks` and
`overlay.render_overlay` read these chunks, each alone and in any order. All of them take paths and
plain values, may be called twice, and use the same memory for a minute and for a day of video.
"""
