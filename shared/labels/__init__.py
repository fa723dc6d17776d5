"""Labels as people and machines exchange them: YOLO text, one file a frame, three states a frame."""
