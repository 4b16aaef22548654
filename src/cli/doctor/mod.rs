pub fn doctor(
    _c: &crate::config::Config,
    _f: bool,
    _p: &mut dyn FnMut(&str) -> Result<(), super::Failure>,
) -> Result<(), super::Failure> {
    Ok(())
}
