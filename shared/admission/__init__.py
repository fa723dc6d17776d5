"""Who may do what, and whether there is room for it: asked at the door and by work that begins itself."""
