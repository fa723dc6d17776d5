"""Compares a learner's recording with an actor's take, and owns the catalogue of takes; it never decides who may log in.

Beside the files that every service has:

- the catalogue: `actors`, `lines` (tokens and scripts alike), `takes` on their way in, `preparation` of
  their words and features, which `references` keeps, and `views` for its readers;
- comparisons: `recordings` as they are uploaded, `scoring`, `analyses` as they are stored, `advice` and
  `problems` as sentences, `progress` live, `mypage` with what a learner has said so far;
- other meshes: `remote` asks one, `answers` takes what it says, `inquiries` asks after what it owes;
  `service` compares for others, `transfer` fetches their audio and calls them back, `standing` tells who
  has missed the call;
- sound on its way to a player: `audio_files`, `media_types`.
"""
